// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// Steps of a rollback, in order.
var Steps = []pipeline.Step[View]{
	check,                         // the backup is verified and there is a way back
	price,                         // rows that were written since
	confirm,                       // by a person, unless little or nothing is lost
	closing.TakeLease[View](),     // from nobody, or from the go-live that failed
	closing.StartWatchdog[View](), // it opens the site again should we die
	restoreBeside,                 // the site may still serve
	restoreFiles,                  // volumes from snapshots, if asked
	closing.HoldingPage[View](),   // what users see meanwhile
	closing.CloseDoors(View.Objection, closed), // the first change
	closing.ScaleBack[View](),                  // what a go-live gave more than it found
	closing.Quiesce[View](),                    // no pod of the LMS runs
	awaitHops,                                  // and none of the go-live's
	unlessCommitted(closing.Silence[View]),     // nobody is connected to the database
	priceAgain,                                 // what users wrote until the doors closed
	closing.Lock[View](),                       // nobody else writes the workloads
	verifyBeside,                               // figures, version, and every file that the database names
	freeClaims,                                 // of ended pods that would hold them
	closing.Commit(View.Objection),             // the point of no return
	switchOver,                                 // one transaction; the other side is kept
	switchFiles,                                // the same claims, other volumes; those that go are kept
	images,                                     // those that were recorded before
	purgeCaches,                                // settings are cached in the data root
	closing.Start[View]("StartWeb", true),      // as many pods as before
	closing.Smoke(View.version, recordVersion),
	closing.OpenDoors(opened),
	closing.Start[View]("Resume", false),
	closing.Unlock[View](),
	closing.HandOver(run, before),
	closing.ReleaseLease[View](),

	closing.Undo[View](),  // Finally: before the point of no return everything is put back
	closing.GiveBack(run), // Finally: and nothing is left beside the site
}

// unlessCommitted skips waiting for silence when the site was taken over past
// the point of no return: what a dead upgrade left running is ended by the switch.
func unlessCommitted(silence func(string) pipeline.Step[View]) pipeline.Step[View] {
	step := silence("AwaitSilence")
	judge := step.Judge
	step.Judge = func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if v.Committed() {
			return pipeline.Skip("EndedBySwitch", "what is still connected is ended by the switch")
		}
		return judge(v, at, seen)
	}
	return step
}

func closed(v View, at time.Time) {
	if v.afterFailure() && v.GoLive != nil && v.GoLive.Status.Closed != nil {
		v.Rollback.Status.Closed = v.GoLive.Status.Closed
		return
	}
	v.Rollback.Status.Closed = stamp(at)
}

func opened(v View, at time.Time) { v.Rollback.Status.Opened = stamp(at) }

func stamp(t time.Time) *metav1.Time {
	at := metav1.NewTime(t).Rfc3339Copy()
	return &at
}

// version that the backup has and the site shall serve again.
func (v View) version() string { return v.source().Version }

func recordVersion(v View, result task.Result) {
	if version := result.Facts["version.http"]; version != "" {
		v.Rollback.Status.Version = version
	} else {
		v.Rollback.Status.Version = v.version()
	}
}
