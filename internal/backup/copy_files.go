// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// copyFiles copies a live volume, read-only, and hashes again what lies in the
// backup afterwards. Append-only paths go into a base that all backups of the
// site share, and prove themselves by their names; the rest is small and this
// backup's own.
var copyFiles = pipeline.Step[View]{
	Name:     "CopyFiles",
	Needs:    []string{"Dump", "SnapshotDatabase"},
	Attempts: 2,
	Each:     func(v View) []string { return keys(v.filePlaces(isVolume)) },
	Create: func(v View, where pipeline.At) []client.Object {
		job, err := v.copyJob(where)
		if err != nil || job == nil {
			return nil
		}
		return []client.Object{job}
	},
	Judge: func(v View, where pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if job, err := v.copyJob(where); job == nil || err != nil {
			return cannot(where, err)
		}
		return pipeline.JobDone("CopyingFiles", "CopyFailed", func(r task.Result) pipeline.Verdict {
			if r.Facts["hash-rest.digest"] == "" {
				return pipeline.Fail(task.NoResult, "the copy ended without its digest")
			}
			if no := v.unkept(v.filePlaces(isVolume), where, seen.Now); no != nil {
				return *no
			}
			return pipeline.Pass("%d files of %d bytes, hashed again", sum(r.Facts, ".files"), sum(r.Facts, ".bytes"))
		})(seen)
	},
	Record: func(v View, where pipeline.At, seen pipeline.Seen) {
		p, ok := at(v.filePlaces(isVolume), where.Key)
		job := seen.Job()
		if !ok || job.State != pipeline.JobSucceeded || job.Result.Facts["hash-rest.digest"] == "" {
			return
		}
		c := p.begin()
		c.Consistency, c.Taken = "Crash", instant("", job.Started)
		c.Path = v.treePath(p)
		if v.shares(p) {
			c.Base = v.basePath(p)
		}
		c.Digest, c.Bytes = "sha256:"+job.Result.Facts["hash-rest.digest"], sum(job.Result.Facts, ".bytes")
		c.Verified = &metav1.Time{Time: seen.Now}
		c.TookRestore = hashTime(job.Result)
		v.put(c)
	},
}

// copyJob copies and hashes in one Job: the copy's volume is there already.
func (v View) copyJob(where pipeline.At) (*batchv1.Job, error) {
	p, ok := at(v.filePlaces(isVolume), where.Key)
	if !ok {
		return nil, nil
	}
	base, tree := path.Join(backupDir, v.basePath(p)), path.Join(backupDir, v.treePath(p))
	sorted := v.sorted(p)
	copying, _, err := sorted.CopyFilesTask(v.params(), liveDir, base, 0, 1, profile.Throttle{})
	if err != nil {
		return nil, err
	}
	hashing, _, err := sorted.HashFilesTask(v.params(), base, false, 0, profile.Throttle{})
	if err != nil {
		return nil, err
	}
	actions := slices.Concat(copying.Actions, hashing.Actions)
	for i := range actions {
		if c := actions[i].CopyTree; c != nil && c.Kind == task.Manifested {
			c.To = tree
		}
		if h := actions[i].HashTree; h != nil && h.Kind == task.Manifested {
			h.Root = tree
		}
	}
	return v.filesJob(where, p, actions), nil
}

// sorted gives the profile's view of a volume. Its paths lie below the data
// root; of any other volume nothing is known, and all of it is copied.
func (v View) sorted(p place) profile.Profile {
	known := *v.Profile
	if p.volume != v.dataVolume() {
		known.Paths = profile.Paths{}
	}
	return known
}

// shares says whether a part of the volume goes into the shared base.
func (v View) shares(p place) bool { return len(v.sorted(p).Paths.AppendOnly) > 0 }

// dataVolume is the volume with the LMS's data root.
func (v View) dataVolume() string {
	if len(v.Site.Spec.Volumes) == 0 {
		return ""
	}
	return v.Site.Spec.Volumes[0].Name
}

// basePath is where the append-only parts of a volume lie; a later backup adds
// to it and changes nothing.
func (v View) basePath(p place) string { return path.Join(v.Site.Name+"-files", "base", p.volume) }

// treePath is where this backup's own part of a volume lies. It is the same in
// every attempt: a copy goes on where it stopped.
func (v View) treePath(p place) string {
	return path.Join(v.Site.Name+"-files", pipeline.Name(v.Backup, "files", p.key, 1))
}

// sum adds up what the copying actions told.
func sum(facts map[string]string, fact string) int64 {
	var total int64
	for name, value := range facts {
		if strings.HasPrefix(name, "copy-") && strings.HasSuffix(name, fact) {
			n, _ := strconv.ParseInt(value, 10, 64)
			total += n
		}
	}
	return total
}

// hashTime is how long it took to read all of the copy.
func hashTime(r task.Result) *metav1.Duration {
	var took time.Duration
	for _, a := range r.Actions {
		if strings.HasPrefix(a.Name, "hash-") {
			took += time.Duration(a.Took)
		}
	}
	if took == 0 {
		return nil
	}
	return ptr.To(metav1.Duration{Duration: took})
}
