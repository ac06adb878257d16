// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// wantBack ticks until a Rollback is over, and wants the old site to serve.
func (w *world) wantBack() {
	w.t.Helper()
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		w.t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// backFromGo makes a person's Rollback to the go-live.
func (w *world) backFromGo(name string) { w.backFromGoAt(name, 0) }

// backFromGoAt makes one that may lose some rows.
func (w *world) backFromGoAt(name string, rows int64) {
	w.t.Helper()
	w.must(w.admin.Create(w.ctx, &v1alpha1.Rollback{ObjectMeta: w.meta(name), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}},
		MaxDataLoss: v1alpha1.DataLoss{Rows: rows}}}))
}

// A person retries the go-live while its way back works: that must not touch
// the site, nor what the way back knows of it.
func TestARetryOfTheGoLiveDoesNotDisturbItsRollback(t *testing.T) {
	for _, step := range []string{"RestoreBeside", "Switch", "OpenDoors"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.outcomes["go-smoke"] = broken("CountsDiffer")
			w.versions("1.0")
			w.until("a rollback that works", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 && at(step)(w.rollback()) })
			delete(w.outcomes, "go-smoke")
			smokes := len(w.jobs("go-smoke"))
			w.retry("Smoke@1")
			w.wantBack()
			if doors := w.rollback().Status.Source.Doors; doors != v1alpha1.DoorsStayedClosed {
				t.Errorf("the doors are noted as %s", doors)
			}
			if n := len(w.jobs("go-smoke")); n != smokes {
				t.Errorf("%d Jobs of the go-live, %d before the retry", n, smokes)
			}
			g := w.until("over", over)
			if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "CountsDiffer" {
				t.Errorf("the go-live ended as %s %s", c.Status, c.Reason)
			}
		})
	}
}

// Past the point of no return a quota that refuses a Job makes the step fail in
// the end, so that the way back begins.
func TestARefusedJobPastThePointOfNoReturnGoesBack(t *testing.T) {
	for _, step := range []string{"Hops", "Verify"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.versions("1.0")
			w.refuse = map[string]string{"Hops": "go-hop", "Verify": "go-verify"}[step]
			w.until("refused", func(g *v1alpha1.GoLive) bool {
				return slices.ContainsFunc(g.Status.Steps, func(e v1alpha1.StepStatus) bool {
					return e.Name == step && e.State == v1alpha1.StepPending && e.Started != nil
				})
			})
			w.clock.Step(9 * time.Minute)
			w.tick()
			if s := state(w.get(), step); s != v1alpha1.StepPending {
				t.Fatalf("%s is %s after nine minutes", step, s)
			}
			g := w.until("failed", func(g *v1alpha1.GoLive) bool { return state(g, step) == v1alpha1.StepFailed })
			if reason(g, step) != "CannotProceed" {
				t.Errorf("reason %s", reason(g, step))
			}
			w.refuse = "go-ask" // what asks the database does not hinder the way back
			w.until("a rollback", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 })
			w.refuse = ""
			w.wantBack()
		})
	}
}

// What waits for a person past the point of no return may be gone back from:
// people need not first do what they do not want.
func TestARunThatWaitsForAPersonIsGoneBackFrom(t *testing.T) {
	for refused, before := range map[string]string{"Release": "Hops", "OpenDoors": "Smoke"} {
		t.Run(refused, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.versions("1.0")
			w.at = func() {
				if state(w.get(), before) == v1alpha1.StepPassed {
					w.deny = "web"
				}
			}
			w.until("refused", func(g *v1alpha1.GoLive) bool {
				return state(g, refused) == v1alpha1.StepWaiting && reason(g, refused) == "ChangeRefused"
			})
			w.backFromGoAt("back", 1000) // the door may have been written: users may have been in
			w.backUntil("taken over", at("HoldingPage"))
			if g := w.get(); state(g, refused) != v1alpha1.StepFailed || g.Status.Lease != nil {
				t.Errorf("%s is %s, lease %v", refused, state(g, refused), g.Status.Lease)
			}
			w.at, w.deny = nil, ""
			w.wantBack()
			if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.LeaseLostReason {
				t.Errorf("the go-live ended as %s %s: %s", c.Status, c.Reason, c.Message)
			}
		})
	}
}

// A rival halts a go-live without settling a step.
func TestARivalPastThePointOfNoReturnIsNoReasonToStay(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["go-hop"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.versions("1.0")
	w.until("upgrading", func(g *v1alpha1.GoLive) bool { return state(g, "Hops") == v1alpha1.StepRunning })
	web := w.deployment("web")
	web.Spec.Replicas = ptr.To[int32](2)
	w.must(w.admin.Update(w.ctx, web))
	w.until("halted", func(g *v1alpha1.GoLive) bool {
		return meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
	})
	w.backFromGo("back")
	w.wantBack()
}

// merges applies the door as a pipeline does that knows nothing of ours: its labels come beside.
func (w *world) merges() (found *corev1.Service) {
	w.t.Helper()
	return w.points(func(s map[string]string) { s["app"] = "web" })
}

// points writes the door's selector as a pipeline does, and gives the door as it was, to put it back.
func (w *world) points(change func(selector map[string]string)) (found *corev1.Service) {
	w.t.Helper()
	door := &corev1.Service{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "web"}, door))
	found = door.DeepCopy()
	change(door.Spec.Selector)
	w.must(w.admin.Update(w.ctx, door, client.FieldOwner("argocd")))
	found.ResourceVersion = door.ResourceVersion
	return found
}

// The door was merged, and the site is shut all the same: who takes it over has the page, says
// who wrote there, and goes on when the value is back.
func TestADoorThatWasMergedIsTakenOver(t *testing.T) {
	for _, when := range []string{"under the go-live", "under its Rollback"} {
		t.Run(when, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.versions("1.0")
			w.outcomes["again-"], w.outcomes["go-hop"] = finds(100), pipeline.JobOutcome{State: pipeline.JobRunning}
			w.until("upgrading", func(g *v1alpha1.GoLive) bool { return state(g, "Hops") == v1alpha1.StepRunning })
			var found *corev1.Service
			if when == "under its Rollback" {
				w.outcomes["go-hop"], w.outcomes["back-verify"] = broken("CountsDiffer"), w.outcomes["go-hop"]
				back := w.verifying()
				found = w.merges()
				w.backUntil("halted", rivalled)
				w.must(w.admin.Delete(w.ctx, back))
			} else {
				found = w.merges()
				w.until("halted", func(g *v1alpha1.GoLive) bool {
					return meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
				})
			}
			w.backFromGo("again")
			again := &v1alpha1.Rollback{ObjectMeta: w.meta("again")}
			w.until("told", func(*v1alpha1.GoLive) bool {
				w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(again), again))
				return rivalled(again)
			})
			if s := again.Status; s.Source.Doors != v1alpha1.DoorsStayedClosed || s.Changes[0].Field != v1alpha1.FieldSelector {
				t.Errorf("doors %s, changes %v", s.Source.Doors, s.Changes)
			}
			w.must(w.admin.Update(w.ctx, found))
			w.until("the other one is alone", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 })
			w.wantBack()
		})
	}
}

// rivalled says whether a rollback tells who wrote the door, and how that is put right.
func rivalled(back *v1alpha1.Rollback) bool {
	c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.StalledCondition)
	return c != nil && c.Reason == v1alpha1.ConflictingWriterReason && strings.Contains(c.Message, "written by argocd") &&
		strings.Contains(c.Message, "kubectl patch service web ")
}

// Whoever deletes a rollback that succeeded while nobody reconciles plans: the plan
// learns all the same that its site is back.
func TestARollbackThatIsOverWaitsForItsPlan(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.meta("plan")}
	tell := func(change func(*v1alpha1.UpgradePlanStatus)) {
		w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(plan), plan))
		change(&plan.Status)
		w.must(w.admin.Status().Update(w.ctx, plan))
	}
	tell(func(s *v1alpha1.UpgradePlanStatus) { s.GoLive = "go" })
	w.outcomes["go-smoke"] = broken("CountsDiffer")
	w.versions("1.0")
	w.until("a way back", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 })
	w.wantBack()
	w.must(w.admin.Delete(w.ctx, w.rollback()))
	for range 3 {
		w.tick()
	}
	ready := meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil || ready.Message != "over, and deleted: it goes when UpgradePlan plan has seen how it ended" {
		t.Errorf("%+v", ready)
	}
	tell(func(s *v1alpha1.UpgradePlanStatus) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: v1alpha1.CompleteCondition,
			Status: metav1.ConditionTrue, Reason: "RolledBack"})
	})
	for range 3 {
		w.clock.Step(15 * time.Second)
		w.tick()
	}
	if n := w.rollbacks(); n != 0 {
		t.Errorf("%d rollbacks", n)
	}
}
