// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// looking brings a go-live to where people look at the upgraded site, and gives
// the digest that it asks them to decide on.
func (w *world) looking(onFailure v1alpha1.FailurePolicy) string {
	w.t.Helper()
	w.order(func(s *v1alpha1.GoLiveSpec) { s.Look, s.OnFailure = "Approve", onFailure })
	plan := &v1alpha1.UpgradePlan{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "plan"}, plan))
	digest := w.subject(plan, v1alpha1.GateOpen)
	g := w.until("people look", func(g *v1alpha1.GoLive) bool { return state(g, "Look") == v1alpha1.StepWaiting })
	if said := message(g, "Look"); !strings.Contains(said, "testers") || !strings.Contains(said, digest) {
		w.t.Errorf("it does not say who must decide on what: %s", said)
	}
	w.wantClosed()
	return digest
}

func (w *world) wantClosed() {
	w.t.Helper()
	if g := w.get(); w.isOpen() || g.Status.Opened != nil || g.Status.Lease == nil {
		w.t.Errorf("users are in: the door is %v, opened %v, lease %v", w.door(), g.Status.Opened, g.Status.Lease)
	}
}

// decide lets a member of a group decide on gate Open.
func (w *world) decide(name, group, digest string, decision v1alpha1.Decision) *v1alpha1.UpgradeApproval {
	w.t.Helper()
	a := &v1alpha1.UpgradeApproval{ObjectMeta: w.meta(name), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: "plan"}, Gate: v1alpha1.GateOpen, Digest: digest, Decision: decision,
		Approver: name + "@campus.example", Groups: []string{group}}}
	w.must(w.admin.Create(w.ctx, a))
	return a
}

func message(g *v1alpha1.GoLive, step string) string {
	for _, e := range g.Status.Steps {
		if e.Name == step {
			return e.Message
		}
	}
	return ""
}

func TestPeopleWhoLookedLetUsersIn(t *testing.T) {
	w := newWorld(t)
	digest := w.looking("")
	w.decide("teacher", "teachers", digest, v1alpha1.DecisionApprove)           // nobody asked
	w.decide("hasty", "testers", w.get().Spec.Digest, v1alpha1.DecisionApprove) // of gate GoLive
	for range 5 {
		w.tick()
	}
	if got := state(w.get(), "Look"); got != v1alpha1.StepWaiting {
		t.Fatalf("Look is %s before those who were asked said yes", got)
	}
	w.wantClosed()
	w.decide("tester", "testers", digest, v1alpha1.DecisionApprove)
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionTrue || state(g, "Look") != v1alpha1.StepPassed || g.Status.Opened == nil {
		t.Errorf("Look is %s; %s: %s", state(g, "Look"), c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

// What people let users into is what runs, not what the plan was made to say since.
func TestNobodyIsAskedAboutReleasesThatDoNotRun(t *testing.T) {
	w := newWorld(t)
	digest := w.looking("")
	plan := &v1alpha1.UpgradePlan{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "plan"}, plan))
	was := plan.DeepCopy()
	plan.Spec.Target.Releases[len(plan.Spec.Target.Releases)-1].Image = "campus:2.0-r2"
	w.must(w.admin.Update(w.ctx, plan))
	w.decide("tester", "testers", w.subject(plan, v1alpha1.GateOpen), v1alpha1.DecisionApprove)
	for range 5 {
		w.tick()
	}
	w.wantClosed()
	if said := message(w.get(), "Look"); !strings.Contains(said, "spec.target.releases of UpgradePlan plan") || !strings.Contains(said, "put it back") {
		t.Errorf("it does not say what to mend: %s", said)
	}
	plan.Spec.Target.Releases = was.Spec.Target.Releases
	w.must(w.admin.Update(w.ctx, plan))
	w.decide("other", "testers", digest, v1alpha1.DecisionApprove)
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
}

func TestPeopleWhoLookedAndSaidNoGoBack(t *testing.T) {
	w := newWorld(t)
	digest := w.looking("")
	w.versions("1.0")
	w.decide("tester", "testers", digest, v1alpha1.DecisionReject)
	w.at = func() {
		if w.isOpen() && w.deployment("web").Spec.Template.Spec.Containers[0].Image == "campus:2.0" {
			t.Error("users were let in to what was rejected")
		}
	}
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "OpenRejected" {
		t.Errorf("Succeeded is %s %s: %s", c.Status, c.Reason, c.Message)
	}
	if said := message(g, "Look"); !strings.Contains(said, "tester@campus.example") {
		t.Errorf("it does not say who said no: %s", said)
	}
	if n := w.rollbacks(); n != 1 {
		t.Errorf("%d rollbacks, want 1", n)
	}
	w.wantServing("campus:1.0")
}

// With Hold the site stays closed and as it is: who said no may think again.
func TestARejectionIsThoughtOver(t *testing.T) {
	w := newWorld(t)
	digest := w.looking(v1alpha1.OnFailureHold)
	no := w.decide("tester", "testers", digest, v1alpha1.DecisionReject)
	w.until("rejected", func(g *v1alpha1.GoLive) bool { return state(g, "Look") == v1alpha1.StepFailed })
	for range 5 {
		w.tick()
	}
	w.wantClosed()
	if n := w.rollbacks(); n != 0 {
		t.Errorf("%d rollbacks, but the plan says Hold", n)
	}
	w.must(w.admin.Delete(w.ctx, no))
	w.decide("tester-again", "testers", digest, v1alpha1.DecisionApprove)
	g := w.get()
	g.Annotations = map[string]string{v1alpha1.RetryAnnotation: "Look@1"}
	w.must(w.admin.Update(w.ctx, g))
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

// Somebody points the door at the application while people look at it: what users wrote until the
// page is back is lost by going back, and a person is asked. Where nothing runs nobody wrote.
func TestWhatUsersWroteBesideThePageIsPriced(t *testing.T) {
	for name, test := range map[string]struct{ runs, deleted bool }{
		"to pods that run": {true, false}, "to nothing": {false, false}, "and it is deleted": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			digest := w.looking("")
			w.versions("1.0")
			if test.runs {
				w.pod("web-1", map[string]string{"app": "web"})
			}
			if test.deleted {
				w.must(w.admin.Delete(w.ctx, w.get()))
				w.tick()
			}
			page := w.leadsPast()
			for range 3 {
				w.tick()
			}
			g := w.get()
			stalled := meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
			if (g.Status.Bypassed != nil) != test.runs || g.Status.Opened != nil || !stalled {
				t.Errorf("bypassed %v, opened %v, conditions %v", g.Status.Bypassed, g.Status.Opened, g.Status.Conditions)
			}
			w.must(w.admin.Update(w.ctx, page, client.FieldOwner("argocd")))
			if test.deleted {
				w.backFromGo("back")
			} else {
				w.decide("tester", "testers", digest, v1alpha1.DecisionReject)
			}
			w.until("a way back", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 })
			if test.runs {
				w.confirms()
				w.must(w.admin.Delete(w.ctx, &corev1.Pod{ObjectMeta: w.meta("web-1")}, client.GracePeriodSeconds(0)))
			}
			w.wantBack()
			if p := w.rollback().Status.Price; (p.Rows == 12) != test.runs {
				t.Errorf("price %+v", p)
			}
		})
	}
}

// leadsPast points the door at the application alone.
func (w *world) leadsPast() (found *corev1.Service) {
	w.t.Helper()
	return w.points(func(s map[string]string) {
		clear(s)
		s["app"] = "web"
	})
}

// confirms waits until the Rollback asks for its price, with the site closed, and says yes.
func (w *world) confirms() {
	w.t.Helper()
	back := w.backUntil("asked", func(back *v1alpha1.Rollback) bool {
		return meta.IsStatusConditionTrue(back.Status.Conditions, v1alpha1.WaitingCondition)
	})
	if entry(back, "Confirm").State != v1alpha1.StepWaiting || w.isOpen() {
		w.t.Fatalf("Confirm is %+v, open: %v", entry(back, "Confirm"), w.isOpen())
	}
	back.Annotations = w.meta("").Annotations // as admission says who made it
	w.must(w.admin.Update(w.ctx, back))
	w.must(w.admin.Create(w.ctx, &v1alpha1.UpgradeApproval{ObjectMeta: w.meta("loss"), Spec: v1alpha1.UpgradeApprovalSpec{
		RollbackRef: &v1alpha1.LocalRef{Name: back.Name}, Gate: v1alpha1.GateDataLoss, Digest: back.Status.Price.Digest,
		Decision: v1alpha1.DecisionApprove, Approver: "oncall@campus.example"}}))
}
