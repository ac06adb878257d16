// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// Steps of a go-live in place, in order.
var Steps = []pipeline.Step[View]{
	check,                                      // approvals, subject, backup, window, targets: nothing is touched without
	closing.TakeLease[View](),                  // the site is ours, and nobody else's
	closing.StartWatchdog[View](),              // it opens the site again should we die
	closing.HoldingPage[View](),                // what users see meanwhile
	closing.CloseDoors(View.Objection, closed), // the first change
	closing.Quiesce[View](),                    // no pod of the LMS runs
	closing.Silence[View]("AwaitSilence"),      // nobody is connected to the database
	closing.Lock[View](),                       // nobody else writes the workloads
	fixPoint,                                   // what a rollback goes back to; verified
	closing.Silence[View]("ConfirmSilence"),    // still nobody
	closing.Commit(View.Objection),             // the point of no return, and nothing else
	hops,                                       // one Job each, one after the other
	verify,                                     // version, figures and files
	release,                                    // the new images
	closing.Start[View]("StartWeb", true),      // as many pods as before
	scaleUp("ScaleUp", true),                   // and more, if the plan asks
	closing.Smoke(View.target, recordVersion),  // through a Service of ours, doors closed
	look,                                 // people see it before users do, if asked
	closing.OpenDoors(opened),            // users are in: from here on nothing goes back by itself
	closing.Start[View]("Resume", false), // background work
	scaleUp("ScaleWorkers", false),       // with more pods, if the plan asks
	closing.Unlock[View](),               // others may write again
	closing.HandOver(run, nobody),        // our notes, the watchdog and the holding page go
	closing.ReleaseLease[View](),         // nothing is held any more

	closing.Undo[View](),  // Finally: before the point of no return everything is put back
	closing.GiveBack(run), // Finally: and nothing is left beside the site
	askDatabase,           // Finally: after it, what the database says of itself
	rollBack,              // Finally: and the way back, if the plan says so
}
