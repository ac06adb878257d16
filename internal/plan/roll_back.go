// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
)

// WayBack finds the rollback that goes back from a go-live: one that
// succeeded, else one that is under way.
func WayBack(run *v1alpha1.GoLive, all []v1alpha1.Rollback) *v1alpha1.Rollback {
	var found *v1alpha1.Rollback
	for i := range all {
		back := &all[i]
		if back.Spec.SiteRef.Name != run.Spec.SiteRef.Name || !goesBackFrom(back, run) {
			continue
		}
		if wentBack(back) {
			return back
		}
		if back.Status.Lease != nil {
			found = back
		}
	}
	return found
}

// goesBackFrom says whether a rollback names a go-live, or the backup that it made; of one
// that is gone, whether it has noted that it is the one.
func goesBackFrom(back *v1alpha1.Rollback, run *v1alpha1.GoLive) bool {
	to := back.Spec.To
	return run.UID == "" && back.Status.Source != nil && back.Status.Source.GoLive == run.Name ||
		to.GoLiveRef != nil && to.GoLiveRef.Name == run.Name ||
		to.BackupRef != nil && run.Status.FixPoint != "" && to.BackupRef.Name == run.Status.FixPoint &&
			slices.ContainsFunc(run.Status.Steps, func(e v1alpha1.StepStatus) bool { // else there is nothing to go back from
				return e.Name == "Commit" && e.State == v1alpha1.StepPassed
			})
}

// wentBack says whether a rollback is over and the site is back.
func wentBack(back *v1alpha1.Rollback) bool {
	if back == nil {
		return false
	}
	succeeded, _ := condition(back, v1alpha1.SucceededCondition)
	return isTrue(succeeded)
}

// RolledBack ends a plan whose site went back, or says that it is going back.
// Nothing else of the plan starts from then on.
func RolledBack(v View) (pipeline.Verdict, bool) {
	switch {
	case v.Rollback == nil:
		return pipeline.Verdict{}, false
	case wentBack(v.Rollback):
		return pipeline.Verdict{State: v1alpha1.StepPassed, Reason: rolledBackReason,
			Message: fmt.Sprintf("rolled back: the site serves %s again, by Rollback %s",
				v.Rollback.Status.Version, v.Rollback.Name)}, true
	}
	ready, stalled := over(v.Rollback)
	waiting, _ := condition(v.Rollback, v1alpha1.WaitingCondition)
	for _, c := range []metav1Condition{stalled, waiting} {
		if isTrue(c) {
			return pipeline.Fail(rollbackStalledReason, "Rollback %s: %s", v.Rollback.Name, c.Message), true
		}
	}
	if !v.Rollback.DeletionTimestamp.IsZero() {
		return pipeline.Wait(rollingBackReason, "Rollback %s, deleted: %s", v.Rollback.Name, ready.Message), true
	}
	return pipeline.Wait(rollingBackReason, "Rollback %s takes the site back", v.Rollback.Name), true
}

const (
	rolledBackReason  = "RolledBack"
	rollingBackReason = "RollingBack"
	// rollbackStalledReason: the way back needs a person, paused or not.
	rollbackStalledReason = "RollbackStalled"
	// abortStalledReason: an abort waits for a go-live that needs a person.
	abortStalledReason = "AbortStalled"
)

// end closes a plan that was aborted or rolled back. What it was at is settled:
// a go-live that failed as such, all else as left.
func end(v View, state v1alpha1.PlanState, verdict pipeline.Verdict) pipeline.Verdict {
	plan := v.Plan
	plan.Status.Summary.State = state
	status.Set(&plan.Status.Conditions, v1alpha1.CompleteCondition, metav1.ConditionTrue, plan.Generation,
		verdict.Reason, verdict.Message)
	at := metav1.NewTime(v.Now).Rfc3339Copy()
	for i := range plan.Status.Steps {
		e := &plan.Status.Steps[i]
		if e.State != v1alpha1.StepRunning && e.State != v1alpha1.StepWaiting {
			continue
		}
		e.State, e.Reason, e.Finished = v1alpha1.StepSkipped, verdict.Reason, &at
		said, what := verdict.Message, broken(v.GoLive)
		switch {
		case e.Name != v1alpha1.StepGoLive:
		case state == v1alpha1.PlanAborted && live(v.GoLive): // too late for it
			e.State, e.Reason = v1alpha1.StepPassed, "Succeeded"
			said = fmt.Sprintf("the site serves %s; %s", v.GoLive.Status.Version, said)
		case what != nil:
			e.State, e.Reason = v1alpha1.StepFailed, what.Reason
			said = fmt.Sprintf("go-live %s, %s: %s; %s", v.GoLive.Name, what.Name, what.Message, said)
		}
		e.Message = message.Clip(said, message.Step)
	}
	return verdict
}

// live says whether a go-live let users in and succeeded.
func live(run *v1alpha1.GoLive) bool {
	if run == nil {
		return false
	}
	succeeded, _ := condition(run, v1alpha1.SucceededCondition)
	return isTrue(succeeded)
}

// broken gives the step at which a go-live failed. Its own verdict may not be
// written yet when the site is back.
func broken(run *v1alpha1.GoLive) *v1alpha1.StepStatus {
	if run == nil {
		return nil
	}
	for i := range run.Status.Steps {
		if run.Status.Steps[i].State == v1alpha1.StepFailed {
			return &run.Status.Steps[i]
		}
	}
	return nil
}
