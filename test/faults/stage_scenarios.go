// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// A person acts on a plan while one of its steps is at work.

// working applies a plan, and goes as far as a step that waits for a child of this kind.
func working(w *world.World, step, kind string) *v1alpha1.UpgradePlan {
	w.Busy = []string{kind}
	plan := apply(w, "autumn")
	w.Until("a step at work", func() bool { // one that has made nothing has not begun
		w.Get(plan.Name, plan)
		return slices.ContainsFunc(plan.Status.Steps, func(s v1alpha1.StepStatus) bool {
			return s.Name == step && s.State == v1alpha1.StepRunning && len(s.Children) > 0
		})
	})
	w.Mark()
	return plan
}

// pausedAt: what is under way comes to its end, and nothing else begins.
func pausedAt(step, kind string) func(*world.World) {
	return func(w *world.World) {
		plan := working(w, step, kind)
		annotate(w, plan, v1alpha1.PauseAnnotation, `"true"`)
		w.Busy = nil
		w.Until("a step that is done", stepIs(w, plan, step, v1alpha1.StepPassed))
		w.Tick()
		annotate(w, plan, v1alpha1.PauseAnnotation, "null")
		w.Until("a gate that waits", stepIs(w, plan, v1alpha1.StepGoLive, v1alpha1.StepWaiting))
	}
}

// endedAt: a person gives the plan up.
func endedAt(step, kind string, how func(*world.World, *v1alpha1.UpgradePlan)) func(*world.World) {
	return func(w *world.World) { how(w, working(w, step, kind)) }
}

// abort gives a plan up, and waits until it is over.
func abort(w *world.World, plan *v1alpha1.UpgradePlan) {
	annotate(w, plan, v1alpha1.AbortAnnotation, `"we go another way"`)
	w.Until("a plan that was aborted", aborted(w, plan))
}

// aborted: the plan says so, and has let its site go.
func aborted(w *world.World, plan *v1alpha1.UpgradePlan) func() bool {
	return func() bool {
		site := &v1alpha1.Site{}
		w.Get(plan.Name, plan)
		return w.Get("campus", site) && site.Status.Plan == "" && plan.Status.Summary.State == v1alpha1.PlanAborted
	}
}

// remove deletes a plan, and waits until it is gone.
func remove(w *world.World, plan *v1alpha1.UpgradePlan) {
	w.Remove(plan)
	w.Until("no plan", gone(w, plan))
}

// planClosed: a person gives a plan up while its go-live has the site closed.
func planClosed(w *world.World, how func(*world.World, *v1alpha1.UpgradePlan)) {
	w.Outcomes["-awaitsilence-"] = running
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	run := &v1alpha1.GoLive{}
	w.Until("a closed site", func() bool {
		w.Get(plan.Name, plan)
		return plan.Status.GoLive != "" && at(w, plan.Status.GoLive, "AwaitSilence", v1alpha1.StepRunning)()
	})
	w.Mark()
	delete(w.Outcomes, "-awaitsilence-")
	w.Get(plan.Status.GoLive, run)
	how(w, plan)
	w.Until("a go-live that holds nothing", func() bool {
		return !w.Get(run.Name, run) || run.Status.Lease == nil
	})
	ended := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.SucceededCondition)
	if w.Gone != "" && ended != nil && ended.Reason == v1alpha1.LeaseLostReason {
		w.Undone = true // its watchdog was faster than the person's word
	}
}

// planGoLiveDeleted: its go-live is deleted when users are in, and the plan still
// learns that the site is live. Whether what is written about it finds it still there
// depends on how long its end takes: nobody keeps that.
func planGoLiveDeleted(w *world.World) {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("the doors that open", func() bool {
		w.Get(plan.Name, plan)
		return givenUp(w, plan) || plan.Status.GoLive != "" && at(w, plan.Status.GoLive, "OpenDoors", v1alpha1.StepPassed)()
	})
	w.Remove(&v1alpha1.GoLive{ObjectMeta: w.Meta(plan.Status.GoLive)})
	w.Until("a plan that is complete", complete(w, plan))
	w.Rest(2) // whoever hung in between may still write one
	var written corev1.ConfigMapList
	w.List(&written)
	for i := range written.Items {
		if m := &written.Items[i]; strings.HasSuffix(m.Name, "-review.md") || strings.HasSuffix(m.Name, "-close-out.md") {
			w.Remove(m)
		}
	}
}

// oneLook of support is enough.
func oneLook(p *v1alpha1.UpgradePlan) { p.Spec.Support.Until.Duration.Duration = 30 * time.Second }

// planGoLiveRetried: its go-live fails and puts the site back; a person types what the
// plan says, and another go-live is ordered and succeeds.
func planGoLiveRetried(w *world.World) {
	w.Outcomes["-awaitsilence-"] = world.Breaks("SessionsLeft")
	plan := apply(w, "autumn", oneLook) // two go-lives meet more faults than fit between two
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("a closed site", func() bool {
		w.Get(plan.Name, plan)
		return plan.Status.GoLive != "" && at(w, plan.Status.GoLive, "AwaitSilence", v1alpha1.StepRunning)()
	})
	w.Mark()
	w.Until("a go-live that failed", stepIs(w, plan, v1alpha1.StepGoLive, v1alpha1.StepFailed))
	if w.Undone {
		return
	}
	delete(w.Outcomes, "-awaitsilence-")
	annotate(w, plan, v1alpha1.RetryAnnotation, `"GoLive@1"`)
	w.Until("a second go-live", func() bool {
		w.Get(plan.Name, plan)
		return givenUp(w, plan) || slices.ContainsFunc(plan.Status.Steps, func(s v1alpha1.StepStatus) bool {
			return s.Name == v1alpha1.StepGoLive && s.Attempt == 2
		})
	})
	w.Until("a plan that is complete", complete(w, plan))
}

// agreed goes as far as a plan that is paused, and agreed to.
func agreed(w *world.World) *v1alpha1.UpgradePlan {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	annotate(w, plan, v1alpha1.PauseAnnotation, `"true"`)
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("an open gate", gateIs(w, plan, v1alpha1.GateOpened))
	w.Tick()
	if w.Get(plan.Name, plan); plan.Status.GoLive != "" {
		w.Stop("go-live %s was ordered while the plan is paused", plan.Status.GoLive)
	}
	w.Mark()
	return plan
}

// planWithdrawn: the yes is taken back before anything came of it.
func planWithdrawn(w *world.World) {
	plan := agreed(w)
	w.Remove(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("yes")})
	w.Until("a gate that noticed", gateIs(w, plan, v1alpha1.GateWaiting))
	annotate(w, plan, v1alpha1.PauseAnnotation, "null")
	w.Until("a plan that waits again", waits(w, plan))
}

// waits says whether a plan's go-live was not ordered and waits for a yes.
func waits(w *world.World, plan *v1alpha1.UpgradePlan) func() bool {
	return func() bool {
		w.Get(plan.Name, plan)
		return plan.Status.Summary.State == v1alpha1.PlanWaiting && plan.Status.GoLive == ""
	}
}

// planSuperseded: the plan is changed after the yes, which is another's then.
func planSuperseded(w *world.World) {
	plan := agreed(w)
	widen(w, plan.Name)
	w.Until("a gate that noticed", gateIs(w, plan, v1alpha1.GateWaiting))
	annotate(w, plan, v1alpha1.PauseAnnotation, "null")
	w.Until("a plan that waits again", waits(w, plan))
	approve(w, plan, "again", v1alpha1.DecisionApprove)
	w.Until("a plan that is complete", complete(w, plan))
}

// widen changes a plan in what its approval binds to, as its author.
func widen(w *world.World, name string) {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta(name)}
	merge := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"backup":{"maxAge":"47h0m0s"}}}`))
	w.Must(w.As("planner@campus.example").Patch(w.Context(), plan, merge))
}
