// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

const (
	ownerDir  = "/gradus/owner"
	backupDir = "/gradus/backup"
)

// errNoDump says that no copy can be restored; Blind says why.
var errNoDump = errors.New("there is no dump to restore")

// jobStep is a step that is one Job.
func jobStep(
	name, waiting, failed string,
	build func(View, pipeline.At) (*batchv1.Job, error), passed func(View, task.Result) pipeline.Verdict,
) pipeline.Step[View] {
	return pipeline.Step[View]{
		Name: name,
		Create: func(v View, at pipeline.At) []client.Object {
			job, err := build(v, at)
			if err != nil || job == nil {
				return nil
			}
			return []client.Object{job}
		},
		Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if _, err := build(v, at); err != nil {
				return closing.Unbuildable(err)
			}
			return pipeline.JobDone(waiting, failed, func(r task.Result) pipeline.Verdict { return passed(v, r) })(seen)
		},
	}
}

// restoreBeside puts the dump into a fresh database on the same server. It
// touches nothing that is live; what is left of it after a failure is named.
var restoreBeside = closing.Guarded(jobStep("RestoreBeside", "Restoring", "RestoreFailed", View.restoreJob,
	func(v View, _ task.Result) pipeline.Verdict {
		return pipeline.Pass("SiteBackup %s is restored into database %s", v.source().Backup, v.beside())
	}))

func (v View) restoreJob(at pipeline.At) (*batchv1.Job, error) {
	c, claim := v.dump()
	if claim == "" {
		return nil, errNoDump
	}
	db := v.Site.Spec.Database
	server := v.DatabaseAs(ownerDir)
	server.Name = "postgres"
	t, _, err := v.Profile.RestoreTask(v.Params(), task.Restore{
		Database: server, Into: v.beside(), Owner: db.GetOwnerRole(), Readers: []string{db.GetReaderRole()},
		Dir: path.Join(backupDir, path.Dir(c.Path)), Name: path.Base(c.Path),
	})
	if err != nil {
		return nil, err
	}
	return v.DatabaseJob(at, "restore", t.Actions, v.OwnerMount(),
		closing.Mount{Volume: workload.Claim("gradus-backup", claim, true), Path: backupDir}), nil
}

// verifyBeside proves the restored database before it is switched in: its
// figures are those of the backup, its version too, and every file that it
// names is on the volume that it will have: the live one (append-only files
// stay where they are), or the restored one.
var verifyBeside = closing.Guarded(within(4*time.Hour, again(jobStep("VerifyBeside", "Verifying", "VerificationFailed",
	View.verifyJob, func(v View, _ task.Result) pipeline.Verdict {
		return pipeline.Pass("database %s has the figures of the backup, and no file is missing", v.beside())
	}))))

// again lets a step that only looks look again when nobody knows what it saw.
func again(step pipeline.Step[View]) pipeline.Step[View] {
	step.AgainIfLost = true
	return step
}

// within bounds a step while the site is closed and could be opened.
func within(limit time.Duration, step pipeline.Step[View]) pipeline.Step[View] {
	step.Timeout, step.Insists = closing.Within[View](limit), closing.Committed[View]
	return step
}

func (v View) verifyJob(at pipeline.At) (*batchv1.Job, error) {
	q := v.Params()
	q.Target = v.version()
	q.Reader.Name = v.beside()
	return v.VerifyJob(at, q, v.source().Counts, v.filesClaim)
}

// awaitHops waits until no pod of the go-live's hops is left: one on a node
// that is out of reach would find the restored database and upgrade it.
var awaitHops = closing.Guarded(pipeline.Step[View]{
	Name:    "AwaitHops",
	Timeout: closing.Within[View](30 * time.Minute), Insists: closing.Committed[View],
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		left := 0
		for _, n := range v.HopPods {
			left += n
		}
		if left > 0 {
			return pipeline.Wait("HopPodsLeft", "%d pods of hops or of a switch have not ended (Jobs %s); if their node is "+
				"lost, make sure that it is off and delete them", left, strings.Join(slices.Sorted(maps.Keys(v.HopPods)), ", ")).
				By(seen.Now.Add(5 * time.Second))
		}
		return pipeline.Pass("no pod of a hop is left")
	},
})
