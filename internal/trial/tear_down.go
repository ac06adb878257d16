// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"slices"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// goneLimit is how long the removal of a copy may take before somebody is told.
const goneLimit = 15 * time.Minute

// tearDown removes the copy by UID. One that failed may be kept for people. A namespace that
// does not end costs no trial that passed: it goes on when that is gone.
var tearDown = pipeline.Step[View]{
	Name:    "TearDown",
	Finally: true,
	Timeout: func(v View) time.Duration {
		if keep := v.Trial.Spec.KeepOnFailure; keep != nil && v.Trial.Status.KeptUntil != nil {
			return keep.Duration + goneLimit
		}
		return goneLimit
	},
	Insists: func(View) bool { return true },
	Remove: func(v View, at pipeline.At) []v1alpha1.ChildRef {
		if v.kept() || first(at) {
			return nil
		}
		return v.copies()
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		switch {
		case v.kept():
			until := v.Trial.Status.KeptUntil.UTC()
			return pipeline.Wait("KeptForPeople", "StagingEnvironment %s failed and is kept until %s",
				v.Trial.Status.Environment, until.Format(time.RFC3339)).By(until)
		case first(at) && len(v.copies()) > 0:
			return pipeline.Wait("TearingDown", "the copy is removed next").By(seen.Now.Add(time.Second))
		case seen.Left > 0:
			return pipeline.Wait("TearingDown", "%s is being removed", environment.Standing(v.Environments))
		}
		return pipeline.Pass("the copy is removed")
	},
}

// first says whether the trial's verdict may not be persisted yet: were the copy
// removed now and the status lost, the rehearsal would miss it.
func first(at pipeline.At) bool { return at.Entry.Reason == "" }

// proveGone looks for what a copy can leave, wherever it could be.
var proveGone = pipeline.Step[View]{
	Name:    "ProveGone",
	Finally: true,
	Needs:   []string{"TearDown"},
	Timeout: func(View) time.Duration { return goneLimit },
	Insists: func(View) bool { return true },
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		again := 5 * time.Second
		if at.Entry.Reason == v1alpha1.TimedOutReason {
			again = time.Minute
		}
		if !v.Looked {
			return pipeline.Wait("TearingDown", "looking for what the copy left").By(seen.Now.Add(time.Second))
		}
		if left := v.remains(); len(left) > 0 {
			return pipeline.Wait("TearingDown", "still there: %s", strings.Join(left, ", ")).By(seen.Now.Add(again))
		}
		return pipeline.Pass("no namespace, no alias of a snapshot and no environment is left")
	},
}

func (v View) remains() []string {
	left := slices.Clone(v.Remains)
	for _, env := range v.Environments {
		left = append(left, "StagingEnvironment "+env.Name)
	}
	slices.Sort(left)
	return left
}

// copies gives every copy that this trial made: those that the ledger knows,
// and those of earlier attempts, found by their owner's UID.
func (v View) copies() []v1alpha1.ChildRef {
	return v1alpha1.EnvironmentsOf(v.Trial.Status.Steps, v.Environments)
}

// Reopen lets the removal run again when a failed step was retried.
func Reopen(v View) {
	pipeline.Reopen(v.Trial.Status.Steps, len(v.Environments) > 0, tearDown.Name, proveGone.Name)
}

// Conclude says where the trial stands as a whole. While a failed copy is kept
// the trial is over: its report is in, and only the calendar is awaited. Not when it
// should be gone, and is not.
func Conclude(t *v1alpha1.TrialUpgrade, v pipeline.Verdict) pipeline.Verdict {
	known, passed := Verdict(t)
	moving := (v.State == v1alpha1.StepRunning || v.State == v1alpha1.StepWaiting) && v.Reason != v1alpha1.TimedOutReason
	over := func(reason, message string) pipeline.Verdict {
		return pipeline.Verdict{State: v1alpha1.StepPassed, Reason: reason, Message: message, Until: v.Until}
	}
	switch {
	case v.State == v1alpha1.StepPassed && !known:
		return pipeline.Fail("NoVerdict", "the trial ended without a verdict")
	case v.State == v1alpha1.StepPassed && passed:
		return over("TrialPassed", "the upgrade passed, and the copy is gone")
	case v.State == v1alpha1.StepPassed:
		return over("TrialFailed", "the upgrade did not pass, and the copy is gone")
	case moving && known && !passed && t.Status.KeptUntil != nil:
		return over("TrialFailed", v.Message)
	}
	return v
}
