// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// A go-live that waits for a busy site holds nothing: it ends with the Site,
// and the lease of who holds it is left alone.
func TestASiteThatGoesBeforeItsLeaseIsTakenEndsTheGoLive(t *testing.T) {
	w := newWorld(t)
	now := metav1.NewMicroTime(w.clock.Now())
	w.must(w.admin.Create(w.ctx, &coordinationv1.Lease{ObjectMeta: w.meta("gradus-campus"), Spec: coordinationv1.LeaseSpec{
		HolderIdentity: ptr.To("GoLive/other/1"), LeaseTransitions: ptr.To[int32](7),
		AcquireTime: &now, RenewTime: &now, LeaseDurationSeconds: ptr.To[int32](3600),
	}}))
	w.order(nil)
	w.until("waiting for the lease", func(g *v1alpha1.GoLive) bool {
		return state(g, "TakeLease") == v1alpha1.StepWaiting && reason(g, "TakeLease") == v1alpha1.SiteBusyReason
	})
	w.must(w.admin.Delete(w.ctx, &v1alpha1.Site{ObjectMeta: w.meta("campus")}))
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.SiteNotFoundReason ||
		!strings.Contains(c.Message, "Site campus was deleted") {
		t.Errorf("%s %s: %s", c.Status, c.Reason, c.Message)
	}
	if len(g.Status.Changes) != 0 || g.Status.Lease != nil || !w.isOpen() || w.besides("") != 2 {
		t.Errorf("changes %v, lease %v, open: %v", g.Status.Changes, g.Status.Lease, w.isOpen())
	}
	if lease := w.lease(); *lease.Spec.HolderIdentity != "GoLive/other/1" || *lease.Spec.LeaseTransitions != 7 {
		t.Errorf("the lease is %s's, number %d", *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions)
	}
}

// copies writes what is known of a backup's copies.
func (w *world) copies(backup string, copies []v1alpha1.BackupCopy) (before []v1alpha1.BackupCopy) {
	w.t.Helper()
	b := &v1alpha1.SiteBackup{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: backup}, b))
	before, b.Status.Copies = b.Status.Copies, copies
	w.must(w.admin.Status().Update(w.ctx, b))
	return before
}

// noWayBack gives a go-live whose Rollback found no way: the site stays closed, and the
// go-live's. With the copies of its fix point there is one again.
func noWayBack(t *testing.T, order func(*v1alpha1.GoLiveSpec)) (_ *world, copies []v1alpha1.BackupCopy) {
	w := newWorld(t)
	w.order(order)
	w.outcomes["go-hop"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	g := w.until("at the hop", func(g *v1alpha1.GoLive) bool { return state(g, "Hops") == v1alpha1.StepRunning })
	copies = w.copies(g.Status.FixPoint, nil)
	w.outcomes["go-hop"] = broken("CountsDiffer")
	w.versions("1.0")
	w.until("a rollback", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 })
	// Somebody deletes the lease, and we crash while the go-live takes it back:
	// the Rollback finds no way, and a site that nobody holds.
	w.must(w.admin.Delete(w.ctx, w.lease()))
	w.crash = w.writes
	w.until("the rollback failed", func(g *v1alpha1.GoLive) bool { return state(g, "RollBack") == v1alpha1.StepFailed })
	if c := meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.SucceededCondition); c == nil ||
		c.Status != metav1.ConditionFalse || c.Reason != "NoWayBack" {
		t.Fatalf("the Rollback ended as %v", c)
	}
	for range 5 {
		w.tick()
	}
	return w, copies
}

// A Rollback that ended with Succeeded=False brought nothing back: the go-live
// does not say so, and the site stays closed and held until another one does.
func TestARollbackThatFailedIsNoWayBack(t *testing.T) {
	w, copies := noWayBack(t, nil)
	g := w.get()
	if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition); reason(g, "RollBack") != "RollbackFailed" ||
		c == nil || !strings.Contains(c.Message, "did not bring the site back") ||
		!strings.Contains(c.Message, "until a person creates another Rollback to this GoLive") {
		t.Errorf("%s, conditions %v", reason(g, "RollBack"), g.Status.Conditions)
	}
	if w.isOpen() || over(g) || g.Status.Lease == nil || w.holder() != "GoLive/go/"+string(g.UID) || w.rollbacks() != 1 {
		t.Fatalf("open: %v, over: %v, lease %v of %s, %d rollbacks", w.isOpen(), over(g), g.Status.Lease, w.holder(), w.rollbacks())
	}
	w.copies(g.Status.FixPoint, copies)
	w.outcomes["again-"] = w.outcomes["back"]
	w.follow(func(*v1alpha1.Rollback) {})
	w.wantServing("campus:1.0")
	w.wantReplaced()
}

// What failed may be repaired and retried as long as no rollback has the site.
func TestAHopIsRetriedAfterItsWayBackFailed(t *testing.T) {
	w, _ := noWayBack(t, nil)
	w.outcomes = map[string]pipeline.JobOutcome{}
	w.retry("Hops@1")
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

// And while people look at the upgraded site, nobody is told to go back from it.
func TestPeopleLookAfterAHopThatHadNoWayBack(t *testing.T) {
	w, _ := noWayBack(t, func(s *v1alpha1.GoLiveSpec) { s.Look = "Approve" })
	w.outcomes = map[string]pipeline.JobOutcome{}
	w.retry("Hops@1")
	g := w.until("people look", func(g *v1alpha1.GoLive) bool { return state(g, "Look") == v1alpha1.StepWaiting })
	if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition); c != nil && c.Status == metav1.ConditionTrue ||
		state(g, "RollBack") != v1alpha1.StepFailed {
		t.Errorf("Stalled is %v, RollBack %s", c, state(g, "RollBack"))
	}
	w.wantClosed()
}

// wantReplaced: the go-live is over for good, and nobody is asked for anything.
func (w *world) wantReplaced() {
	w.t.Helper()
	g := w.get()
	c := succeeded(g)
	if !over(g) || c.Status != metav1.ConditionFalse || c.Reason != "CountsDiffer" ||
		meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition) {
		w.t.Errorf("the go-live that was replaced stands at %v", g.Status.Conditions)
	}
}

// The lease was let go, the status not written, and a Rollback that waited has the site: the
// go-live has nothing more to do there, and is over as if nobody had been so quick.
func TestAGoLiveThatLetGoIsOverThoughAnotherHasTheSite(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.versions("1.0")
	w.until("about to let go", func(g *v1alpha1.GoLive) bool {
		return g.Status.Lease != nil && reason(g, "ReleaseLease") == "ReleasingLease"
	})
	lease := w.lease()
	lease.Spec.HolderIdentity = ptr.To("Rollback/back/1")
	lease.Spec.LeaseTransitions = ptr.To(*lease.Spec.LeaseTransitions + 1)
	lease.Annotations[v1alpha1.PointAnnotation] = string(v1alpha1.PointReversible)
	w.must(w.admin.Update(w.ctx, lease))
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("ended as %s %s: %s", c.Status, c.Reason, c.Message)
	}
	if w.holder() != "Rollback/back/1" {
		t.Errorf("held by %q", w.holder())
	}
}
