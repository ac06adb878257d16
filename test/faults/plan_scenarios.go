// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// planned: one plan with all its children, from applying it to its end.
func planned(w *world.World) {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("a plan that is complete", complete(w, plan))
}

// planRejected: somebody says no, takes it back, and somebody else agrees.
func planRejected(w *world.World) {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "no", v1alpha1.DecisionReject)
	w.Until("a gate that was rejected", gateIs(w, plan, v1alpha1.GateRejected))
	w.Must(w.Person.Delete(w.Context(), &v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("no")}))
	w.Until("a gate that waits again", gateIs(w, plan, v1alpha1.GateWaiting))
	w.Mark()
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("a plan that is complete", complete(w, plan))
}

// planTrialFails: the trial fails, a person mends what was wrong and tries again.
func planTrialFails(w *world.World) {
	w.Verdicts["TrialUpgrade"] = "PluginBroken"
	plan := apply(w, "autumn")
	w.Until("a trial that failed", stepIs(w, plan, v1alpha1.StepRunTrial, v1alpha1.StepFailed))
	w.Mark()
	delete(w.Verdicts, "TrialUpgrade")
	annotate(w, plan, v1alpha1.RetryAnnotation, `"RunTrial@1"`)
	w.Until("a gate that waits", stepIs(w, plan, v1alpha1.StepGoLive, v1alpha1.StepWaiting))
}

// planPaused: a person stops it while it waits, and lets it go on.
func planPaused(w *world.World) {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	w.Mark()
	annotate(w, plan, v1alpha1.PauseAnnotation, `"true"`)
	w.Until("a plan that is paused", func() bool {
		w.Get(plan.Name, plan)
		return plan.Status.Summary.State == v1alpha1.PlanPaused
	})
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Tick()
	annotate(w, plan, v1alpha1.PauseAnnotation, "null")
	w.Until("a plan that is complete", complete(w, plan))
}

// planAborted: a person gives it up while it waits.
func planAborted(w *world.World) {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	w.Mark()
	annotate(w, plan, v1alpha1.AbortAnnotation, `"we go another way"`)
	w.Until("a plan that was aborted", aborted(w, plan))
}

func annotate(w *world.World, plan *v1alpha1.UpgradePlan, name, value string) {
	merge := `{"metadata":{"annotations":{"` + name + `":` + value + `}}}`
	w.Must(w.Person.Patch(w.Context(), plan, client.RawPatch(types.MergePatchType, []byte(merge))))
}

// planDeleted: whoever deletes a plan finds nothing of it left but its backup.
func planDeleted(w *world.World) {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	w.Mark()
	w.Must(w.Person.Delete(w.Context(), plan))
	w.Until("no plan", func() bool { return !w.Get("autumn", plan) })
}

// planWaits: a second plan for the site waits until the first one is gone.
func planWaits(w *world.World) {
	first := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, first) != "" })
	w.Mark()
	second := apply(w, "winter")
	w.Until("a plan that waits", stepIs(w, second, v1alpha1.StepReviewSite, v1alpha1.StepWaiting))
	w.Rest(2)
	w.Must(w.Person.Delete(w.Context(), first))
	w.Until("its gate", stepIs(w, second, v1alpha1.StepGoLive, v1alpha1.StepWaiting))
}

// planWaitsForLive: a second plan waits until the first one has upgraded the site, and finds it
// at its own target.
func planWaitsForLive(w *world.World) {
	first := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, first) != "" })
	second := apply(w, "winter")
	w.Until("a plan that waits", stepIs(w, second, v1alpha1.StepReviewSite, v1alpha1.StepWaiting))
	approve(w, first, "yes", v1alpha1.DecisionApprove)
	w.Mark()
	w.Outcomes["-review"] = world.Finds("2.0", 100)
	w.Until("a plan that is complete", complete(w, first))
	w.Until("a target that is not newer", stepIs(w, second, v1alpha1.StepEstablishRequirements, v1alpha1.StepFailed))
}

func gateIs(w *world.World, plan *v1alpha1.UpgradePlan, state v1alpha1.GateState) func() bool {
	return func() bool {
		w.Get(plan.Name, plan)
		return slices.ContainsFunc(plan.Status.Gates, func(g v1alpha1.GateStatus) bool { return g.State == state })
	}
}

func stepIs(w *world.World, plan *v1alpha1.UpgradePlan, name string, state v1alpha1.StepState) func() bool {
	return func() bool {
		w.Get(plan.Name, plan)
		return givenUp(w, plan) || slices.ContainsFunc(plan.Status.Steps, func(s v1alpha1.StepStatus) bool {
			return s.Name == name && s.State == state
		})
	}
}

// apply makes a plan as a person would.
func apply(w *world.World, name string, change ...func(*v1alpha1.UpgradePlan)) *v1alpha1.UpgradePlan {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta(name), Spec: v1alpha1.UpgradePlanSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"},
		Target:  v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
		Support: v1alpha1.SupportTerms{Until: v1alpha1.SupportUntil{Duration: &metav1.Duration{Duration: 2 * time.Minute}}},
	}}
	window(w, plan)
	for _, c := range change {
		c(plan)
	}
	// Support looks at the site once a minute: a request that is late must not be as late as a look,
	// nor must be all that lags in one run.
	w.Gate.Pause = func() { w.Clock.Step(5 * time.Second) }
	w.Lag = 10 * time.Second
	w.Must(w.As("planner@campus.example").Create(w.Context(), plan))
	w.Outcomes["-review"] = world.Finds("1.0", 100)
	return plan
}

// digestOf gives the digest that the plan's gate GoLive waits for.
func digestOf(w *world.World, plan *v1alpha1.UpgradePlan) string {
	w.Get(plan.Name, plan)
	i := slices.IndexFunc(plan.Status.Gates, func(g v1alpha1.GateStatus) bool { return g.Name == v1alpha1.GateGoLive })
	if i < 0 {
		return ""
	}
	return plan.Status.Gates[i].Digest
}

// approve comes when the plan has long been waiting.
func approve(w *world.World, plan *v1alpha1.UpgradePlan, name string, decision v1alpha1.Decision) {
	w.Rest(2)
	w.Create(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta(name), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: plan.Name, UID: plan.UID}, Gate: v1alpha1.GateGoLive,
		Digest: digestOf(w, plan), Decision: decision}})
}

// complete says whether a plan has ended, with every step settled.
func complete(w *world.World, plan *v1alpha1.UpgradePlan) func() bool {
	return func() bool {
		w.Get(plan.Name, plan)
		if givenUp(w, plan) {
			return true
		}
		for _, s := range plan.Status.Steps {
			if s.State == v1alpha1.StepFailed {
				w.Stop("step %s failed: %s", s.Name, s.Message)
			}
		}
		return slices.ContainsFunc(plan.Status.Conditions, func(c metav1.Condition) bool {
			return c.Type == v1alpha1.CompleteCondition && c.Status == metav1.ConditionTrue
		})
	}
}
