// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// What a plan orders is compared field by field, so that whoever may write
// orders cannot have another image put on the live site.
func TestAnOrderThatIsNotThePlansIsNotCarriedOut(t *testing.T) {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: metav1.ObjectMeta{Name: "plan", UID: "u1"}}
	plan.Spec.SiteRef.Name = "campus"
	plan.Spec.Target = v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}}
	plan.Status.Hops = []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "2.0"}}}
	if field := order.Strays(order.Of(plan), plan); field != "" {
		t.Fatalf("the plan's own order strays in %s", field)
	}
	for want, change := range map[string]func(*v1alpha1.GoLiveSpec){
		"spec.siteRef": func(s *v1alpha1.GoLiveSpec) { s.SiteRef.Name = "other" },
		"spec.upgrade.releases": func(s *v1alpha1.GoLiveSpec) {
			s.Upgrade.Releases = []v1alpha1.Release{{Version: "2.0", Image: "evil:2.0"}}
		},
		"spec.upgrade.hops": func(s *v1alpha1.GoLiveSpec) { s.Upgrade.Hops = []v1alpha1.Hop{{From: "1.0", To: "3.0"}} },
		"spec.maxBackupAge": func(s *v1alpha1.GoLiveSpec) { s.MaxBackupAge = nil },
		"spec.onFailure":    func(s *v1alpha1.GoLiveSpec) { s.OnFailure = v1alpha1.OnFailureHold },
		"spec.look":         func(s *v1alpha1.GoLiveSpec) { s.Look = "Approve" },
		"spec.scale":        func(s *v1alpha1.GoLiveSpec) { s.Scale = []v1alpha1.WorkloadScale{{Workload: "web", Replicas: 99}} },
	} {
		spec := order.Of(plan)
		change(&spec)
		if got := order.Strays(spec, plan); got != want {
			t.Errorf("want %s, got %q", want, got)
		}
	}
}

// An approval binds to the trial's report, which names no images: that these were rehearsed
// is seen from the trial itself.
func TestWhatNoTrialHasSeenDoesNotGoLive(t *testing.T) {
	w := newWorld(t)
	g := w.order(nil)
	upgrade := *g.Spec.Upgrade.DeepCopy()
	upgrade.Releases[0].Image = "campus:2.0-rehearsed"
	trial := &v1alpha1.TrialUpgrade{ObjectMeta: w.meta("trial"), Spec: v1alpha1.TrialUpgradeSpec{
		SiteRef: g.Spec.SiteRef, BackupRef: g.Spec.BackupRef, Upgrade: upgrade}}
	w.must(w.admin.Create(w.ctx, trial))
	trial.Status.Conditions = []metav1.Condition{{Type: v1alpha1.PassedCondition, Status: metav1.ConditionTrue, Reason: "Passed",
		LastTransitionTime: metav1.NewTime(w.clock.Now())}}
	w.must(w.admin.Status().Update(w.ctx, trial))
	plan := &v1alpha1.UpgradePlan{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "plan"}, plan))
	plan.Status.Trial = "trial"
	w.must(w.admin.Status().Update(w.ctx, plan))
	g = w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "NotRehearsed" ||
		!strings.Contains(c.Message, "spec.target.releases is not what trial trial rehearsed") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if len(g.Status.Changes) > 0 || g.Status.Closed != nil {
		t.Errorf("the doors were closed: %v", g.Status.Changes)
	}
}

func TestAnApprovalWithdrawnBeforeTheDoorsCloseIsHeard(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.refuse = "holdingpage"
	w.until("at the holding page", func(g *v1alpha1.GoLive) bool { return state(g, "StartWatchdog") == v1alpha1.StepPassed })
	w.must(w.admin.Delete(w.ctx, &v1alpha1.UpgradeApproval{ObjectMeta: w.meta("yes")}))
	w.refuse = ""
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "NotApproved" {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if len(g.Status.Changes) > 0 || g.Status.Closed != nil {
		t.Errorf("the doors were closed: %v", g.Status.Changes)
	}
}

func TestAPlanThatGoesWhilePeopleLookDoesNotLeaveTheSiteClosed(t *testing.T) {
	w := newWorld(t)
	w.order(func(s *v1alpha1.GoLiveSpec) { s.Look = "Approve" })
	w.outcomes["back"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("people look", func(g *v1alpha1.GoLive) bool { return state(g, "Look") == v1alpha1.StepWaiting })
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.meta("plan")}
	w.must(client.IgnoreNotFound(w.admin.Delete(w.ctx, plan)))
	g := w.until("looked", func(g *v1alpha1.GoLive) bool { return state(g, "Look") == v1alpha1.StepFailed && w.rollbacks() == 1 })
	for _, e := range g.Status.Steps {
		if e.Name == "Look" && !strings.Contains(e.Message, "is gone") {
			t.Errorf("%s: %s", e.Name, e.Message)
		}
	}
}
