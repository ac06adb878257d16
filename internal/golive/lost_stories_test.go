// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

// loses deletes an object as somebody does who strips its finalizer, and plays
// the garbage collector.
func (w *world) loses(object client.Object) {
	w.t.Helper()
	w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(object), object))
	object.SetFinalizers(nil)
	w.must(w.admin.Update(w.ctx, object))
	w.must(w.admin.Delete(w.ctx, object))
	for _, list := range []client.ObjectList{
		&appsv1.DeploymentList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
	} {
		w.must(w.admin.List(w.ctx, list, client.InNamespace(w.namespace)))
		w.must(meta.EachListItem(list, func(item runtime.Object) error {
			if child := item.(client.Object); metav1.IsControlledBy(child, object) {
				return w.admin.Delete(w.ctx, child)
			}
			return nil
		}))
	}
}

// left counts what a run put beside the site and its namespace still has.
func (w *world) left() (n int) {
	w.t.Helper()
	for _, list := range []client.ObjectList{
		&appsv1.DeploymentList{}, &corev1.ServiceAccountList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{},
	} {
		w.must(w.admin.List(w.ctx, list, client.InNamespace(w.namespace), client.HasLabels{v1alpha1.OwnerUIDLabel}))
		n += meta.LenList(list)
	}
	return n
}

// dog is the watchdog as its Deployment starts it; nil when there is none.
func (w *world) dog() *watchdog.Dog {
	w.t.Helper()
	var all appsv1.DeploymentList
	w.must(w.admin.List(w.ctx, &all, client.InNamespace(w.namespace)))
	for _, d := range all.Items {
		if !strings.Contains(d.Name, "watchdog") {
			continue
		}
		dog := &watchdog.Dog{Client: w.admin, Clock: w.clock, Namespace: w.namespace, Site: "campus", Duration: 2 * time.Minute,
			Poll: 5 * time.Second, Alarm: time.Hour, Tell: mute{}}
		for _, arg := range d.Spec.Template.Spec.Containers[0].Args {
			if run, ok := strings.CutPrefix(arg, "--run="); ok {
				dog.Run = run
			}
			if kind, name, ok := strings.Cut(strings.TrimPrefix(arg, "--target="), "/"); ok && strings.HasPrefix(arg, "--target=") {
				dog.Targets = append(dog.Targets, v1alpha1.ChangeTarget{Kind: kind, Name: name})
			}
		}
		return dog
	}
	return nil
}

// The operator is down, and somebody strips the finalizer of a go-live that
// holds the site closed: watchdog and page outlive it, and the notes suffice.
func TestASiteOpensWhenItsGoLiveIsLost(t *testing.T) {
	w := quiet(t)
	w.loses(w.goLive)
	dog := w.dog()
	if dog == nil || w.besides("closed") != 1 {
		t.Fatalf("watchdog %v, %d holding pages", dog, w.besides("closed"))
	}
	for range 30 {
		w.must(dog.Look(w.ctx))
		w.clock.Step(5 * time.Second)
	}
	if !w.isOpen() || *w.deployment("web").Spec.Replicas != 2 || *w.lease().Spec.HolderIdentity != "" {
		t.Errorf("open: %v, %d replicas, held by %q", w.isOpen(), *w.deployment("web").Spec.Replicas, *w.lease().Spec.HolderIdentity)
	}
}

// Whatever does not die with a run is removed at its end.
func TestNothingStaysBesideTheSiteOfADeletedGoLive(t *testing.T) {
	w := quiet(t)
	if w.left() != 5 {
		t.Fatalf("%d objects of ours beside a closed site", w.left())
	}
	w.must(w.admin.Delete(w.ctx, w.goLive))
	w.gone()
}

// A rollback that took the closed site over needs the page of the go-live.
func TestAGoLiveIsNotDeletedUnderItsHoldingPage(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["go-smoke"] = broken("CountsDiffer")
	w.outcomes["verifybeside"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.versions("1.0")
	w.verifying()
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 3 {
		w.tick()
	}
	if c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.ReadyCondition); c == nil || c.Reason != "NeededByAnother" || !strings.Contains(c.Message, "Rollback/") {
		t.Errorf("conditions %v", w.get().Status.Conditions)
	}
	delete(w.outcomes, "verifybeside")
	w.backUntil("over", ended)
	for range 10 {
		w.clock.Step(15 * time.Second)
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); !apierrors.IsNotFound(err) || w.left() != 0 {
		t.Errorf("the go-live: %v; %d objects are left", err, w.left())
	}
}

// Users are in, the run is deleted, and somebody broke its lease and took the site:
// it goes when that one has let go, and leaves the site as it should be.
func TestADeletedGoLiveGoesThoughItsLeaseIsLostForGood(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.until("the doors that open", func(g *v1alpha1.GoLive) bool { return state(g, "OpenDoors") == v1alpha1.StepPassed })
	hold := func(who string, fence int32) {
		lease := w.lease()
		lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions = &who, ptr.To(fence)
		w.must(w.admin.Update(w.ctx, lease))
	}
	fence := w.get().Status.Lease.Fence
	hold("GoLive/another/u-2", fence+1)
	w.must(w.admin.Delete(w.ctx, w.goLive))
	w.tick()
	if c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.ReadyCondition); !strings.Contains(c.Message, "GoLive/another/u-2") {
		t.Errorf("it says %q", c.Message)
	}
	lease := w.lease()
	delete(lease.Annotations, v1alpha1.PointAnnotation)
	w.must(w.admin.Update(w.ctx, lease))
	hold("", fence+1)
	w.gone()
	w.wantServing("campus:2.0")
}

// gone ticks until the go-live that was deleted is gone, with all that it put beside the site.
func (w *world) gone() {
	w.t.Helper()
	for range 10 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); !apierrors.IsNotFound(err) || w.left() != 0 {
		w.t.Errorf("the go-live: %v; %d objects are left", err, w.left())
	}
}

// Users are in, somebody deletes the lease, and a Rollback that waited takes the open site and goes
// back: the go-live does not go on from there, and puts back what it left when it is deleted.
func TestAGoLiveWhoseOpenSiteWasGoneBackFrom(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.versions("1.0")
	w.at = func() {
		if w.isOpen() && w.get().Status.Version == "2.0" {
			w.deny = "cron"
		}
	}
	refused := func(g *v1alpha1.GoLive) bool { return reason(g, "Resume") == "ChangeRefused" }
	w.until("the doors are open, and it cannot go on", refused)
	w.backFromGoAt("back", 1000)
	back := w.backUntil("waits", at("TakeLease"))
	w.must(w.admin.Delete(w.ctx, w.lease()))
	lease := &coordinationv1.Lease{ObjectMeta: w.meta("gradus-campus")}
	lease.Annotations[v1alpha1.PointAnnotation] = string(v1alpha1.PointReversible)
	lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions = ptr.To("Rollback/back/"+string(back.UID)), ptr.To[int32](1)
	w.must(w.admin.Create(w.ctx, lease))
	w.at, w.deny = nil, ""
	back = w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	for range 3 {
		w.tick()
	}
	g := w.get()
	c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition)
	if c == nil || c.Reason != v1alpha1.LeaseLostReason || !strings.Contains(c.Message, "when it is deleted") || w.holder() != "" {
		t.Errorf("stalled as %+v, held by %q", c, w.holder())
	}
	w.retry("Resume@1") // too late
	w.tick()
	w.tick()
	if got := reason(w.get(), "Resume"); got != v1alpha1.LeaseLostReason {
		t.Errorf("retried, Resume is %s", got)
	}
	w.must(w.admin.Delete(w.ctx, g))
	w.gone()
	w.wantServing("campus:1.0")
}

// A Rollback has the site whose lease a go-live lost before it changed anything: that one only
// looks, also when the other is past the point of no return, and ends when it is over.
func TestARollbackTakesNothingOverFromAGoLiveThatDidNothing(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.versions("1.0")
	site := &v1alpha1.Site{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "campus"}, site))
	site.Status.Version = "1.0"
	w.must(w.admin.Status().Update(w.ctx, site))
	w.until("held", func(g *v1alpha1.GoLive) bool { return g.Status.Lease != nil })
	back := &v1alpha1.Rollback{ObjectMeta: w.meta("back"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{BackupRef: &v1alpha1.LocalRef{Name: "backup"}},
		MaxDataLoss: v1alpha1.DataLoss{Rows: 1000}}}
	w.must(w.admin.Create(w.ctx, back))
	lease := w.lease() // emptied, and the Rollback was the first to see it
	lease.Spec.HolderIdentity = ptr.To("Rollback/back/" + string(back.UID))
	lease.Spec.LeaseTransitions = ptr.To(*lease.Spec.LeaseTransitions + 1)
	w.must(w.admin.Update(w.ctx, lease))
	w.outcomes["back-switch"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.backUntil("switches", at("Switch"))
	for range 3 {
		w.tick()
	}
	g := w.get()
	c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition)
	if c == nil || c.Reason != v1alpha1.LeaseLostReason || g.Status.Lease == nil || len(g.Status.Changes) > 0 {
		t.Errorf("stalled as %+v, lease %v, changes %v", c, g.Status.Lease, g.Status.Changes)
	}
	delete(w.outcomes, "back-switch")
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.LeaseLostReason {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantBack()
}
