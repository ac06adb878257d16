// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// A person acts on a plan whose go-live is under way.

// goingLive applies a plan, and goes as far as this step of its go-live.
func goingLive(
	w *world.World, step string, state v1alpha1.StepState, change ...func(*v1alpha1.UpgradePlan),
) *v1alpha1.UpgradePlan {
	plan := apply(w, "autumn", change...)
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("a go-live that is so far", func() bool {
		w.Get(plan.Name, plan)
		return plan.Status.GoLive != "" && at(w, plan.Status.GoLive, step, state)()
	})
	return plan
}

// planPausedClosed: a pause holds up nobody who has the site closed.
func planPausedClosed(w *world.World) {
	w.Outcomes["-awaitsilence-"] = running
	plan := goingLive(w, "AwaitSilence", v1alpha1.StepRunning, oneLook)
	w.Mark()
	annotate(w, plan, v1alpha1.PauseAnnotation, `"true"`)
	delete(w.Outcomes, "-awaitsilence-")
	w.Until("a site that is live", stepIs(w, plan, v1alpha1.StepGoLive, v1alpha1.StepPassed))
	annotate(w, plan, v1alpha1.PauseAnnotation, "null")
	w.Until("a plan that is complete", complete(w, plan))
}

// planEndedLate: a person gives the plan up past the point of no return. The site goes live
// first.
func planEndedLate(how func(*world.World, *v1alpha1.UpgradePlan)) func(*world.World) {
	return func(w *world.World) {
		w.Outcomes["-hop-"] = running
		plan := goingLive(w, "Hops", v1alpha1.StepRunning)
		w.Mark()
		run := &v1alpha1.GoLive{}
		w.Get(plan.Status.GoLive, run)
		w.After(2, func() { delete(w.Outcomes, "-hop-") })
		how(w, plan)
		w.Until("a go-live that holds nothing", func() bool { return !w.Get(run.Name, run) || run.Status.Lease == nil })
	}
}

// planAbortedInSupport: users are in, and somebody has seen enough. Support outlasts whatever
// goes wrong before they say so.
func planAbortedInSupport(w *world.World) {
	plan := goingLive(w, "OpenDoors", v1alpha1.StepPassed, func(p *v1alpha1.UpgradePlan) {
		p.Spec.Support.Until.Duration.Duration = 24 * time.Hour
	})
	w.Mark()
	w.Until("support", stepIs(w, plan, v1alpha1.StepSupport, v1alpha1.StepRunning))
	abort(w, plan)
}

// asksToLook orders a go-live that people look at before users see it.
func asksToLook(w *world.World) string {
	goLive(w, func(p *v1alpha1.UpgradePlan) {
		p.Spec.ChangeControl.Gates = []v1alpha1.GateTerms{{Name: v1alpha1.GateOpen,
			Approvals: []v1alpha1.Quorum{{Group: "system:masters"}}}}
	})
	looking, run := at(w, "go", "Look", v1alpha1.StepWaiting), &v1alpha1.GoLive{}
	w.Until("people who look", func() bool {
		return looking() || w.Gone != "" && over(w, run, "go", metav1.ConditionTrue)()
	})
	w.Rest(2)
	plan := &v1alpha1.UpgradePlan{}
	w.Get("plan", plan)
	return subject(w, plan, v1alpha1.GateOpen)
}

func looked(w *world.World, digest string, decision v1alpha1.Decision) {
	w.Create(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("looked"), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: "plan"}, Gate: v1alpha1.GateOpen, Digest: digest, Decision: decision}})
}

// goLiveLooked: people look, and let users in.
func goLiveLooked(w *world.World) {
	looked(w, asksToLook(w), v1alpha1.DecisionApprove)
	w.Until("a go-live that succeeded", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionTrue))
}

// goLiveRejected: people look, and the site goes back.
func goLiveRejected(w *world.World) {
	w.Outcomes["back"] = world.Finds("1.0", 100)
	digest := asksToLook(w)
	w.Mark()
	looked(w, digest, v1alpha1.DecisionReject)
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}
