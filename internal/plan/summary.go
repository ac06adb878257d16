// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
)

// Summarise writes what one line on a screen says, who must act, and the
// conditions that only a plan has. It returns the verdict by which Ready is
// concluded: a plan that works or waits for people is Ready.
func Summarise(v View, verdict pipeline.Verdict, err error) pipeline.Verdict {
	plan := v.Plan
	now := pointer(plan.Status.Steps)
	refresh(v)
	plan.Status.Summary.To = plan.Spec.Target.Version
	plan.Status.Summary.Step = now.label
	plan.Status.Summary.WaitsFor = ""
	plan.Status.WaitingFor = nil
	plan.Status.Summary.State = v1alpha1.PlanRunning
	if err == nil {
		plan.Status.Summary.Production = production(v)
	}
	generation := plan.Generation
	conditions := &plan.Status.Conditions
	defer dropWaiting(plan)
	switch {
	case verdict.Reason == v1alpha1.AbortedReason:
		return end(v, v1alpha1.PlanAborted, verdict)
	case verdict.Reason == rolledBackReason:
		return end(v, v1alpha1.PlanRolledBack, verdict)
	case verdict.Reason == rollingBackReason:
		plan.Status.Summary.State = v1alpha1.PlanRollingBack
		verdict = accepted(verdict, rollingBackReason, verdict.Message)
	case verdict.Reason == rollbackStalledReason:
		blocked(plan, now, verdict, fmt.Sprintf("kubectl describe rollback %s -n %s", v.Rollback.Name, plan.Namespace))
	case verdict.State == v1alpha1.StepPassed:
		plan.Status.Summary.State = v1alpha1.PlanDone
		status.Set(conditions, v1alpha1.CompleteCondition, metav1.ConditionTrue, generation,
			v1alpha1.CompleteReason, "all 18 steps are done")
		verdict.Reason, verdict.Message = v1alpha1.CompleteReason, "all 18 steps are done"
		return verdict
	case goLiveStalled(v, now, verdict):
		verdict.State = v1alpha1.StepFailed
		blocked(plan, now, verdict, fmt.Sprintf("kubectl describe golive %s -n %s", v.GoLive.Name, plan.Namespace))
	case paused(plan, now):
		plan.Status.Summary.State = v1alpha1.PlanPaused
		plan.Status.Summary.WaitsFor = "whoever paused it: kubectl annotate upgradeplan " + plan.Name + " " +
			v1alpha1.PauseAnnotation + "-"
		verdict = accepted(verdict, v1alpha1.PausedReason, "paused by a person; what runs goes on, nothing new starts")
	case verdict.State == v1alpha1.StepFailed:
		blocked(plan, now, verdict, fmt.Sprintf("kubectl annotate upgradeplan %s -n %s %s=%s@%d --overwrite",
			plan.Name, plan.Namespace, v1alpha1.RetryAnnotation, now.name, now.attempt))
	case verdict.State == v1alpha1.StepWaiting:
		plan.Status.Summary.State = v1alpha1.PlanWaiting
		wait(v, now, verdict)
		status.Set(conditions, v1alpha1.WaitingCondition, metav1.ConditionTrue, generation, verdict.Reason, verdict.Message)
		verdict = accepted(verdict, verdict.Reason, verdict.Message)
	case err == nil:
		verdict = accepted(verdict, v1alpha1.WorkingReason, now.label+": "+verdict.Message)
	}
	status.Set(conditions, v1alpha1.CompleteCondition, metav1.ConditionFalse, generation, "InProgress", now.label)
	return verdict
}

// dropWaiting takes condition Waiting off a plan that does not. One that stays keeps its
// time: else a plan that waits is written in every reconcile.
func dropWaiting(plan *v1alpha1.UpgradePlan) {
	if plan.Status.Summary.State != v1alpha1.PlanWaiting {
		drop(&plan.Status.Conditions, v1alpha1.WaitingCondition)
	}
}

// paused says whether a plan rests because a person paused it. A go-live that was ordered
// and needs a person is told all the same: users may see its holding page.
func paused(plan *v1alpha1.UpgradePlan, now place) bool {
	urgent := now.name == v1alpha1.StepGoLive && slices.ContainsFunc(plan.Status.Steps, func(e v1alpha1.StepStatus) bool {
		return e.Name == now.name && len(e.Children) > 0 &&
			(e.State == v1alpha1.StepFailed || e.State == v1alpha1.StepWaiting)
	})
	aborts := plan.Annotations[v1alpha1.AbortAnnotation] != ""
	return plan.Annotations[v1alpha1.PauseAnnotation] == "true" && !urgent && !aborts
}

// goLiveStalled says whether the plan, or its abort, waits for a go-live that needs a
// person before it can go on.
func goLiveStalled(v View, now place, verdict pipeline.Verdict) bool {
	if v.GoLive == nil {
		return false
	}
	_, stalled := over(v.GoLive)
	waits := verdict.State == v1alpha1.StepWaiting && now.name == v1alpha1.StepGoLive
	return verdict.Reason == abortStalledReason || waits && isTrue(stalled) && !shutOut(stalled)
}

// blocked says that a person must act, and how.
func blocked(plan *v1alpha1.UpgradePlan, now place, verdict pipeline.Verdict, command string) {
	plan.Status.Summary.State = v1alpha1.PlanBlocked
	plan.Status.Summary.WaitsFor = message.Clip("you: "+verdict.Message, message.Line)
	plan.Status.WaitingFor = []v1alpha1.WaitingFor{{
		Kind: "Person", Name: now.name, Since: now.since, Command: command,
	}}
}

// refresh follows a window that was given or moved after step 6, until the
// go-live is ordered.
func refresh(v View) {
	ordered := v.Plan.Status.GoLive != "" && (v.GoLive == nil || !failedForGood(v.GoLive) && !gaveWay(v.GoLive))
	if v.Site == nil || ordered || !settledWell(v.Plan, v1alpha1.StepMakeRolloutPlan) {
		return
	}
	if r, err := rollout(v); err == nil {
		if was := v.Plan.Status.Rollout; was != nil {
			r.ActualOutage = was.ActualOutage // a go-live that is seen for the first time may be over
		}
		v.Plan.Status.Rollout = r
	}
}

// accepted makes a plan Ready: in order, nothing to repair.
func accepted(v pipeline.Verdict, reason, message string) pipeline.Verdict {
	return pipeline.Verdict{State: v1alpha1.StepPassed, Reason: reason, Message: message, Until: v.Until}
}

// place is the step that matters now.
type place struct {
	name, label string
	attempt     int32
	since       *metav1.Time
}

// pointer finds the first step that is not done, failed ones first.
func pointer(steps []v1alpha1.StepStatus) place {
	at := -1
	for i, s := range steps {
		switch s.State {
		case v1alpha1.StepPassed, v1alpha1.StepSkipped:
			continue
		case v1alpha1.StepFailed:
			if at < 0 || steps[at].State != v1alpha1.StepRunning { // else what it rests on begins anew
				return placeOf(steps, i)
			}
		}
		if at < 0 {
			at = i
		}
	}
	if at < 0 {
		at = len(steps) - 1
	}
	// Step 6 waits for the trial of step 8: what runs is what matters.
	for i := max(at, 0); i < len(steps); i++ {
		if steps[i].State == v1alpha1.StepRunning || steps[i].State == v1alpha1.StepWaiting {
			return placeOf(steps, i)
		}
	}
	return placeOf(steps, at)
}

func placeOf(steps []v1alpha1.StepStatus, i int) place {
	if i < 0 {
		return place{}
	}
	s := steps[i]
	label := fmt.Sprintf("%d/%d %s", i+1, len(steps), s.Name)
	return place{name: s.Name, label: label, attempt: s.Attempt, since: s.Started}
}

// wait says who must act, with the command to type.
func wait(v View, now place, verdict pipeline.Verdict) {
	plan := v.Plan
	for _, g := range plan.Status.Gates {
		// Another gate may wait as well: what is asked for is the one of this step.
		if verdict.Reason != v1alpha1.WaitingForApprovalReason || g.State != v1alpha1.GateWaiting || g.Before != now.name {
			continue
		}
		who := list(g.Missing)
		plan.Status.Summary.WaitsFor = message.Clip(who+": approval", message.Line)
		plan.Status.WaitingFor = append(plan.Status.WaitingFor, v1alpha1.WaitingFor{
			Kind: "Approval", Name: g.Name, Who: message.Clip(who, message.Line), Since: now.since,
			Command: approveCommand(v, g),
		})
		return
	}
	kind := v1alpha1.WaitKind("Person")
	if verdict.Reason == v1alpha1.WaitingForWindowReason {
		kind = "Window"
		plan.Status.Summary.WaitsFor = message.Clip(
			"window: "+strings.TrimPrefix(verdict.Message, "the window opens "), message.Line)
	} else {
		plan.Status.Summary.WaitsFor = message.Clip("you: "+verdict.Message, message.Line)
	}
	plan.Status.WaitingFor = append(plan.Status.WaitingFor, v1alpha1.WaitingFor{
		Kind: kind, Name: now.name, Since: now.since,
	})
}

func drop(conditions *[]metav1.Condition, kind string) {
	kept := (*conditions)[:0]
	for _, c := range *conditions {
		if c.Type != kind {
			kept = append(kept, c)
		}
	}
	*conditions = kept
}

// Abort ends a plan for good. What is held on production is put back by
// gradus-production; a committed go-live cannot be aborted.
func Abort(v View, why string) pipeline.Verdict {
	if held := v.GoLive != nil && v.GoLive.Status.Lease != nil && !gaveWay(v.GoLive); held {
		if v.GoLive.Status.Lease.Point == v1alpha1.PointCommitted {
			return tooLate(v.GoLive)
		}
		ready, stalled := over(v.GoLive)
		if isTrue(stalled) && !shutOut(stalled) {
			return pipeline.Fail(abortStalledReason, "go-live %s must put the site back first: %s",
				v.GoLive.Name, stalled.Message)
		}
		return pipeline.Wait("Aborting", "go-live %s puts the site back first: %s", v.GoLive.Name, ready.Message)
	}
	if back := v.Rollback; back != nil && back.Status.Lease != nil {
		if verdict, _ := RolledBack(v); verdict.State == v1alpha1.StepFailed {
			return verdict
		}
		return pipeline.Await("RollingBack", "cannot abort: Rollback %s has the site; wait for it", back.Name)
	}
	return pipeline.Verdict{State: v1alpha1.StepPassed, Reason: v1alpha1.AbortedReason, Message: "aborted: " + why}
}

// tooLate says why a plan is not aborted, and what its go-live waits for.
func tooLate(g *v1alpha1.GoLive) pipeline.Verdict {
	switch ready, stalled := over(g); {
	case isTrue(stalled): // and says what a person can do
		return pipeline.Await("Committed", "cannot abort: go-live %s is past the point of no return, and needs a person: %s",
			g.Name, stalled.Message)
	case g.Status.Opened != nil:
		return pipeline.Await("Committed", "cannot abort: go-live %s let users in; wait for it", g.Name)
	case ready.Reason == v1alpha1.WaitingForApprovalReason: // people look at it: they can say no
		return pipeline.Await("Committed", "cannot abort: go-live %s is past the point of no return: %s",
			g.Name, ready.Message)
	}
	return pipeline.Await("Committed", "cannot abort: go-live %s is past the point of no return; wait for it, or create "+
		"a Rollback to it", g.Name)
}
