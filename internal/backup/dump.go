// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"path"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// dump takes a logical copy with the engine's own tools, as a role that can
// only read, and counts at the dump's own instant.
var dump = pipeline.Step[View]{
	Name:     "Dump",
	Attempts: 2,
	Each:     func(v View) []string { return keys(v.databasePlaces(isVolume)) },
	Create: func(v View, where pipeline.At) []client.Object {
		job, err := v.dumpJob(where)
		if err != nil || job == nil {
			return nil
		}
		return []client.Object{job}
	},
	Judge: func(v View, where pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if job, err := v.dumpJob(where); job == nil || err != nil {
			return cannot(where, err)
		}
		return pipeline.JobDone("Dumping", "DumpFailed", func(r task.Result) pipeline.Verdict {
			if r.Facts["dump.sha256"] == "" {
				return pipeline.Fail(task.NoResult, "the dump ended without its digest")
			}
			return pipeline.Pass("%s bytes, sha256 %s, %s", r.Facts["dump.size"], r.Facts["dump.sha256"], serverVersion(r.Facts))
		})(seen)
	},
	Record: func(v View, where pipeline.At, seen pipeline.Seen) {
		p, ok := at(v.databasePlaces(isVolume), where.Key)
		job := seen.Job()
		if !ok || job.State != pipeline.JobSucceeded || job.Result.Facts["dump.sha256"] == "" {
			return
		}
		facts := job.Result.Facts
		c := p.begin()
		c.Consistency, c.Path = "Logical", path.Join(v.dumpPlace(p))
		c.Digest, c.Taken = "sha256:"+facts["dump.sha256"], instant(facts["dump.takenAt"], job.Started)
		c.Bytes, _ = strconv.ParseInt(facts["dump.size"], 10, 64)
		v.put(c)
		v.Backup.Status.Counts = environment.Figures(v.Profile, facts, "dump.count.")
		v.Backup.Status.Version = facts["version.database"]
		v.Backup.Status.DatabaseVersion = serverVersion(facts)
	},
}

func (v View) dumpJob(where pipeline.At) (*batchv1.Job, error) {
	p, ok := at(v.databasePlaces(isVolume), where.Key)
	if !ok {
		return nil, nil
	}
	dir, name := v.dumpPlace(p)
	t, _, err := v.Profile.DumpTask(v.params(), path.Join(backupDir, dir), name)
	if err != nil {
		return nil, err
	}
	actions := t.Actions
	if v.Profile.Truth.Version != "" {
		version, _, err := v.Profile.VersionTask(v.params(), "")
		if err != nil {
			return nil, err
		}
		actions = append(actions, version.Actions...)
	}
	volumes := []corev1.Volume{
		workload.Claim(backupVolume, p.location.Volume.ClaimName, false),
		workload.Secret(workload.ReaderVolume, v.Site.Spec.Database.ReaderSecretRef.Name),
	}
	mounts := []corev1.VolumeMount{
		{Name: backupVolume, MountPath: backupDir}, {Name: workload.ReaderVolume, MountPath: readerDir, ReadOnly: true},
	}
	return v.databaseJob(where, "dump", volumes, mounts, actions), nil
}

// cannot says why there is no Job for an entry.
func cannot(where pipeline.At, err error) pipeline.Verdict {
	if err != nil {
		return pipeline.Fail("ProfileInvalid", "%v", err)
	}
	return pipeline.Fail("LocationGone", "the Site does not name %s any more; create a new SiteBackup", where.Key)
}

// serverVersion shortens what the server says of itself: "15.18 (Debian …)".
func serverVersion(facts map[string]string) string {
	version, _, _ := strings.Cut(facts["dump.serverVersion"], " ")
	if version == "" {
		return ""
	}
	return "PostgreSQL " + version
}
