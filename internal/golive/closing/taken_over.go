// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"slices"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// StepOpenDoors is the step that lets users in.
const StepOpenDoors = "OpenDoors"

// PastCommit says whether a ledger has passed the point of no return.
func PastCommit(ledger []v1alpha1.StepStatus) bool {
	return slices.ContainsFunc(ledger, func(e v1alpha1.StepStatus) bool {
		return e.Name == StepCommit && e.State == v1alpha1.StepPassed
	})
}

// Opening says whether users may have been let in: the door may be written
// before its step is settled.
func Opening(ledger []v1alpha1.StepStatus) bool {
	return slices.ContainsFunc(ledger, func(e v1alpha1.StepStatus) bool {
		return e.Name == StepOpenDoors && e.Started != nil
	})
}

// Working gives the entries of a ledger that are no ends of the run.
func Working(ledger []v1alpha1.StepStatus) []v1alpha1.StepStatus {
	if i := slices.IndexFunc(ledger, func(e v1alpha1.StepStatus) bool { return e.Name == stepUndo }); i >= 0 {
		return ledger[:i]
	}
	return ledger
}

// Undoing says whether a run has begun to put the site back. Past the point of no
// return that step was skipped.
func Undoing(ledger []v1alpha1.StepStatus) bool {
	return slices.ContainsFunc(ledger, func(e v1alpha1.StepStatus) bool {
		return e.Name == stepUndo && e.Started != nil && e.State != v1alpha1.StepSkipped
	})
}

// TakenOver fails what is under way in a ledger whose site another run has
// taken over. Nothing of it moves again, so that nothing may look as if it did.
func TakenOver(ledger []v1alpha1.StepStatus, by string, now time.Time) {
	message := "the site was taken over"
	if by != "" {
		message += " by " + by
	}
	stop(ledger, v1alpha1.LeaseLostReason, message, now)
}

// GiveWay fails what is under way in a ledger whose run has made its Rollback: that takes the
// site when nothing is. The site is the run's own until then.
func GiveWay(ledger []v1alpha1.StepStatus, now time.Time) {
	stop(ledger, "GaveWay", "the retry came too late: the Rollback of this run goes back to the fix point", now)
}

func stop(ledger []v1alpha1.StepStatus, reason, why string, now time.Time) {
	working := Working(ledger)
	for i := range working {
		if e := &working[i]; e.State == v1alpha1.StepRunning || e.State == v1alpha1.StepWaiting {
			abandon(e, reason, why, now)
		}
	}
	Abandon(working, reason, why, now)
}
