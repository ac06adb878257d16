// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"path"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// verifyDump restores the dump into a scratch server of the same image and
// compares rows and figures with those of the dump's own instant.
var verifyDump = pipeline.Step[View]{
	Name:     "VerifyDump",
	Needs:    []string{"Dump"},
	Attempts: 2,
	Each:     func(v View) []string { return keys(v.databasePlaces(isVolume)) },
	Create: func(v View, where pipeline.At) []client.Object {
		job, err := v.verifyDumpJob(where)
		if err != nil || job == nil {
			return nil
		}
		return []client.Object{job}
	},
	Judge: func(v View, where pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if job, err := v.verifyDumpJob(where); job == nil || err != nil {
			return cannot(where, err)
		}
		p, _ := at(v.databasePlaces(isVolume), where.Key)
		made := copyAt(v.Backup.Status.Copies, p)
		return pipeline.JobDone("RestoringDump", "RestoreFailed", func(r task.Result) pipeline.Verdict {
			if made == nil || "sha256:"+r.Facts["verify-dump.sha256"] != made.Digest {
				return pipeline.Fail(task.HashMismatch, "the dump that was restored is not the one that was made")
			}
			if no := v.unkept(v.databasePlaces(isVolume), where, seen.Now); no != nil {
				return *no
			}
			return pipeline.Pass("restored and compared: %s rows in %s tables",
				r.Facts["verify-dump.rows"], r.Facts["verify-dump.tables"])
		})(seen)
	},
	Record: func(v View, where pipeline.At, seen pipeline.Seen) {
		p, ok := at(v.databasePlaces(isVolume), where.Key)
		made := copyAt(v.Backup.Status.Copies, p)
		job := seen.Job()
		if !ok || made == nil || job.State != pipeline.JobSucceeded ||
			"sha256:"+job.Result.Facts["verify-dump.sha256"] != made.Digest {
			return
		}
		made.Verified = &metav1.Time{Time: seen.Now}
		made.TookRestore = &metav1.Duration{Duration: environment.Took(job)}
	},
}

func (v View) verifyDumpJob(where pipeline.At) (*batchv1.Job, error) {
	p, ok := at(v.databasePlaces(isVolume), where.Key)
	if !ok {
		return nil, nil
	}
	dir, name := v.dumpPlace(p)
	t, _, err := v.Profile.VerifyDumpTask(v.params(), path.Join(backupDir, dir), name, scratchDir)
	if err != nil {
		return nil, err
	}
	volumes := []corev1.Volume{
		workload.Claim(backupVolume, p.location.Volume.ClaimName, true),
		{Name: scratchVolume, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	mounts := []corev1.VolumeMount{
		{Name: backupVolume, MountPath: backupDir, ReadOnly: true}, {Name: scratchVolume, MountPath: scratchDir},
	}
	return v.databaseJob(where, "verify-dump", volumes, mounts, t.Actions), nil
}
