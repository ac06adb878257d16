// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// planned: one plan with all its children, from applying it to its end.
func planned(w *world.World) {
	plan := apply(w, "autumn", nil)
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	approve(w, plan, "yes", v1alpha1.DecisionApprove)
	w.Until("a plan that is complete", complete(w, plan))
}

// apply makes a plan as a person would.
func apply(w *world.World, name string, change func(*v1alpha1.UpgradePlan)) *v1alpha1.UpgradePlan {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta(name), Spec: v1alpha1.UpgradePlanSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"},
		Target:  v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
		Support: v1alpha1.SupportTerms{Until: v1alpha1.SupportUntil{Duration: &metav1.Duration{Duration: 2 * time.Minute}}},
	}}
	window(w, plan)
	if change != nil {
		change(plan)
	}
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

func approve(w *world.World, plan *v1alpha1.UpgradePlan, name string, decision v1alpha1.Decision) {
	w.Create(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta(name), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: plan.Name, UID: plan.UID}, Gate: v1alpha1.GateGoLive,
		Digest: digestOf(w, plan), Decision: decision}})
}

// complete says whether a plan has ended, with every step settled.
func complete(w *world.World, plan *v1alpha1.UpgradePlan) func() bool {
	return func() bool {
		w.Get(plan.Name, plan)
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
