// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// Scenario is a story that is told once without faults, and then with each.
type Scenario struct {
	Name string
	// Kinds whose reconcilers work.
	Kinds []string
	// Play does what people do, and ticks until the story is over.
	Play func(*world.World)
}

var production = []string{"GoLive", "Rollback"}

// Scenarios are all stories. A new step or kind needs no test here, at most a story.
var Scenarios = []Scenario{
	{"golive", production, func(w *world.World) {
		goLive(w, nil)
		w.Until("a go-live that succeeded", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionTrue))
	}},
}

// scenario finds one by name.
func scenario(name string) (Scenario, bool) {
	for _, s := range Scenarios {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// run is a GoLive or Rollback.
type run interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// over says whether a run has ended, with this verdict.
func over(w *world.World, into run, name string, verdict metav1.ConditionStatus) func() bool {
	return func() bool {
		if !w.Get(name, into) {
			return false
		}
		conditions := *into.GetConditions()
		c := meta.FindStatusCondition(conditions, v1alpha1.SucceededCondition)
		if c != nil && c.Status != verdict {
			w.Stop("%s ended as %s: %s", name, c.Reason, c.Message)
		}
		return c != nil && meta.IsStatusConditionTrue(conditions, v1alpha1.ReadyCondition)
	}
}

// goLive makes an approved plan, its backup, and the go-live that it orders.
func goLive(w *world.World, change func(*v1alpha1.UpgradePlan)) {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta("plan"), Spec: v1alpha1.UpgradePlanSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"},
		Target:  v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
	}}
	if change != nil {
		change(plan)
	}
	w.Must(w.As("planner@campus.example").Create(w.Context(), plan))
	plan.Status.Hops = []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "2.0"}}}
	plan.Status.Summary.From = "1.0"
	manager := w.As(world.Manager)
	w.Must(manager.Status().Update(w.Context(), plan))
	digest := subject(w, plan)
	w.Create(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("yes"), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: "plan"}, Gate: v1alpha1.GateGoLive, Digest: digest, Decision: v1alpha1.DecisionApprove}})
	w.Create(backup(w))
	g := &v1alpha1.GoLive{ObjectMeta: w.Meta("go"), Spec: order.Of(plan)}
	g.Spec.Digest, g.Spec.BackupRef = digest, v1alpha1.LocalRef{Name: "backup"}
	w.Must(manager.Create(w.Context(), g))
}

func backup(w *world.World) *v1alpha1.SiteBackup {
	return &v1alpha1.SiteBackup{ObjectMeta: w.Meta("backup"),
		Spec: v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}}}
}

// subject gives the digest that the approval of the go-live must carry.
func subject(w *world.World, plan *v1alpha1.UpgradePlan) string {
	site := &v1alpha1.Site{}
	w.Get("campus", site)
	known, err := profile.Load(site.Spec.Profile)
	w.Must(err)
	facts := gate.Facts{Plan: plan, Site: site, ProfileDigest: known.Digest(), AgentImage: world.Image}
	return gate.Subject(v1alpha1.GateGoLive, facts).Digest()
}
