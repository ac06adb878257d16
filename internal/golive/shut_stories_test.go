// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// empties takes holder and point off the lease.
func (w *world) empties() {
	w.t.Helper()
	lease := w.lease()
	delete(lease.Annotations, v1alpha1.PointAnnotation)
	w.must(w.admin.Update(w.ctx, lease))
	w.frees()
}

// frees takes the holder off the lease.
func (w *world) frees() {
	w.t.Helper()
	lease := w.lease()
	lease.Spec.HolderIdentity = ptr.To("")
	w.must(w.admin.Update(w.ctx, lease))
}

// verifies comes to where the go-live's own way back verifies what it restored.
func (w *world) verifies() *v1alpha1.Rollback {
	w.t.Helper()
	w.order(nil)
	w.versions("1.0")
	w.outcomes["go-hop"] = broken("CountsDiffer")
	w.outcomes["go-back-verify"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	return w.verifying()
}

// verifying waits until the only Rollback verifies what it restored.
func (w *world) verifying() *v1alpha1.Rollback {
	w.t.Helper()
	w.until("a rollback that verifies", func(*v1alpha1.GoLive) bool {
		return w.rollbacks() == 1 && at("VerifyBeside")(w.rollback())
	})
	return w.rollback()
}

// A Rollback goes on from one that is lost when a person has taken that off the lease, which says
// Committed: the page that users see is that of the go-live both go back from, and nobody wrote since.
func TestARollbackGoesOnFromOneThatIsLost(t *testing.T) {
	w := newWorld(t)
	w.loses(w.verifies())
	w.outcomes["again-price"] = broken("CountFailed") // its tables are half migrated
	w.backFromGo("again")
	back := w.backUntil("waits", func(back *v1alpha1.Rollback) bool { return entry(back, "TakeLease").State == v1alpha1.StepWaiting })
	if said := entry(back, "TakeLease").Message; !strings.Contains(said, "does not exist any more") || !strings.Contains(said, "kubectl patch lease") {
		t.Errorf("it says %q", said)
	}
	w.frees()
	back = w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if !w.isOpen() || w.holder() != "" {
		t.Errorf("the door is %v, held by %q", w.door(), w.holder())
	}
}

// Whoever waits for a site takes no lease that was deleted, or emptied, under a run that has shut
// it: that run takes it again, and goes on.
func TestNobodyTakesASiteThatIsShutByALeaseThatIsGone(t *testing.T) {
	for how, spoil := range map[string]func(w *world){
		"deleted": func(w *world) { w.must(w.admin.Delete(w.ctx, w.lease())) },
		"emptied": (*world).empties, "emptied but for the point": (*world).frees,
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			first, again := w.verifies(), &v1alpha1.Rollback{ObjectMeta: w.meta("again")}
			look := func(back *v1alpha1.Rollback) { w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(back), back)) }
			w.backFromGo("again")
			w.until("another that waits", func(*v1alpha1.GoLive) bool { look(again); return at("TakeLease")(again) })
			spoil(w)
			w.skip = first.Name
			w.until("the other one knows that the site is shut", func(*v1alpha1.GoLive) bool {
				look(again)
				said := again.Status.Steps[3].Message // the page is the one that was taken over
				return strings.Contains(said, "see the holding page of GoLive/go/") && strings.Contains(said, "kubectl patch service web ")
			})
			if holder := w.holder(); strings.Contains(holder, "again") {
				t.Fatalf("held by %s", holder)
			}
			w.skip = ""
			delete(w.outcomes, "go-back-verify")
			w.until("the first is over", func(*v1alpha1.GoLive) bool { look(first); return ended(first) })
			if !meta.IsStatusConditionTrue(first.Status.Conditions, v1alpha1.SucceededCondition) {
				t.Errorf("the first one ended as %v", first.Status.Conditions)
			}
			w.wantServing("campus:1.0")
		})
	}
}

// leavesCommitted is a lease that a run past the point of no return has left so.
func (w *world) leavesCommitted() *coordinationv1.Lease {
	w.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: w.meta("gradus-campus")}
	lease.Annotations = map[string]string{v1alpha1.PointAnnotation: string(v1alpha1.PointCommitted)}
	w.must(w.admin.Create(w.ctx, lease))
	return lease
}

// A free lease that says Committed was a run's past the point of no return: a go-live that took it
// would begin there.
func TestAGoLiveDoesNotBeginPastThePointOfNoReturn(t *testing.T) {
	w := newWorld(t)
	lease := w.leavesCommitted()
	w.order(nil)
	g := w.until("it waits", func(g *v1alpha1.GoLive) bool { return state(g, "TakeLease") == v1alpha1.StepWaiting })
	if said := message(g, "TakeLease"); !strings.Contains(said, "kubectl delete lease -n "+w.namespace+" gradus-campus") {
		t.Errorf("it says %q", said)
	}
	w.must(w.admin.Delete(w.ctx, lease))
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
}

// So would a Rollback, where users see nobody's page.
func TestARollbackDoesNotBeginPastThePointOfNoReturn(t *testing.T) {
	w := newWorld(t)
	lease := w.leavesCommitted()
	w.goesBack(nil)
	w.backUntil("it waits", func(back *v1alpha1.Rollback) bool { return entry(back, "TakeLease").State == v1alpha1.StepWaiting })
	for range 3 {
		w.tick()
	}
	back := w.rollback()
	if said := entry(back, "TakeLease").Message; !strings.Contains(said, "kubectl delete lease -n "+w.namespace+" gradus-campus") {
		t.Errorf("it says %q", said)
	}
	if w.holder() != "" || back.Status.Lease != nil || len(back.Status.Changes) > 0 {
		t.Errorf("held by %q, lease %v, changes %v", w.holder(), back.Status.Lease, back.Status.Changes)
	}
	w.must(w.admin.Delete(w.ctx, lease))
	w.wantBack()
}

// A run that lost its lease before it changed anything does not take it back from a run that has
// shut the site since, and has lost it, too.
func TestALostRunTakesNoSiteThatAnotherHasShut(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.until("held", func(g *v1alpha1.GoLive) bool { return g.Status.Lease != nil })
	door := &corev1.Service{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "web"}, door))
	found := door.DeepCopy()
	door.Spec.Selector = map[string]string{"lms.gradus.dev/holding": "other"}
	metav1.SetMetaDataAnnotation(&door.ObjectMeta, v1alpha1.HeldAnnotation, `[{"owner":"GoLive/other/u","fence":1,"n":0,`+
		`"id":"door","field":"Selector","before":{"app":"web"},"after":{"lms.gradus.dev/holding":"other"}}]`)
	w.must(w.admin.Update(w.ctx, door))
	w.must(w.admin.Delete(w.ctx, w.lease()))
	for range 10 {
		w.tick()
		if err := w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "gradus-campus"}, &coordinationv1.Lease{}); err == nil {
			t.Fatalf("held by %s", w.holder())
		}
	}
	found.ResourceVersion = door.ResourceVersion
	w.must(w.admin.Update(w.ctx, found))
	if c := succeeded(w.until("over", over)); c.Reason != v1alpha1.LeaseLostReason {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}
