// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func TestAFailureBeforeThePointOfNoReturnOpensTheSiteAsItWas(t *testing.T) {
	for _, job := range []string{"-door-", "-awaitsilence-", "-confirmsilence-"} {
		t.Run(job, func(t *testing.T) {
			w := newWorld(t)
			w.outcomes[job] = broken("SessionsLeft")
			w.order(nil)
			g := w.until("over", over)
			if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "SessionsLeft" {
				t.Fatalf("Succeeded is %s %s", c.Status, c.Reason)
			}
			w.wantServing("campus:1.0")
			// Over is over: a retry of a step does nothing.
			g.Annotations = map[string]string{v1alpha1.RetryAnnotation: "AwaitSilence@1"}
			w.must(w.admin.Update(w.ctx, g))
			w.outcomes = map[string]pipeline.JobOutcome{}
			for range 5 {
				w.tick()
			}
			w.wantServing("campus:1.0")
		})
	}
}

func TestASiteDoesNotStayClosedBecauseRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.refuse = "-door-"
	w.order(nil)
	g := w.until("over", over)
	if c := succeeded(g); c.Reason != "CannotProceed" || !strings.Contains(c.Message, "quota") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// An API server that starts refuses everything for a moment.
func TestARefusalMustLastBeforeItEndsARun(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.deny = "web"
	w.at = func() {
		for _, s := range w.get().Status.Steps {
			if s.Hindered != nil {
				w.deny = ""
			}
		}
	}
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionTrue || w.deny != "" {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

func TestDeletingTheSiteObjectOpensTheSite(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, &v1alpha1.Site{ObjectMeta: w.meta("campus")}))
	w.until("over", over)
	w.wantServing("campus:1.0")
}

func TestARivalBeforeThePointOfNoReturnEndsIt(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	cron := w.deployment("cron")
	cron.Spec.Replicas = ptr.To(int32(4))
	w.must(w.admin.Update(w.ctx, cron, client.FieldOwner("argocd-controller")))
	g := w.until("over", over)
	if c := succeeded(g); c.Reason != v1alpha1.ConflictingWriterReason || !strings.Contains(c.Message, "argocd-controller") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if !w.isOpen() || *w.deployment("web").Spec.Replicas != 2 || *w.deployment("cron").Spec.Replicas != 4 {
		t.Error("not put back, but for what the rival wrote")
	}
}

func TestHoldStaysClosedUntilAPersonRetries(t *testing.T) {
	w := newWorld(t)
	w.order(func(s *v1alpha1.GoLiveSpec) { s.OnFailure = v1alpha1.OnFailureHold })
	w.outcomes["-hop-"] = broken("PluginBroken")
	stalled := func(g *v1alpha1.GoLive) bool {
		return meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
	}
	w.until("stalled", stalled)
	for range 5 {
		w.tick()
	}
	g := w.get()
	if w.isOpen() || g.Status.Lease == nil || g.Status.Lease.Point != v1alpha1.PointCommitted || succeeded(g) != nil {
		t.Fatalf("not held closed: %v", g.Status.Lease)
	}
	w.outcomes = map[string]pipeline.JobOutcome{}
	g.Annotations = map[string]string{v1alpha1.RetryAnnotation: "Hops@1"}
	w.must(w.admin.Update(w.ctx, g))
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

func TestAFailurePastThePointOfNoReturnGoesBack(t *testing.T) {
	for _, job := range []string{"-hop-", "-verify-", "-smoke-"} {
		t.Run(job, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			once := job
			w.outcomes["go"+once] = broken("CountsDiffer")
			w.at = func() {
				var backs v1alpha1.RollbackList
				w.must(w.admin.List(w.ctx, &backs, client.InNamespace(w.namespace)))
				if len(backs.Items) > 0 {
					delete(w.outcomes, "go"+once)
				}
				if len(backs.Items) > 0 && backs.Items[0].Status.Opened == nil && w.isOpen() && backs.Items[0].Status.Lease != nil &&
					state(w.get(), "Hops") == v1alpha1.StepFailed && len(backs.Items[0].Status.Steps) == 0 {
					t.Error("opened before the rollback was done")
				}
			}
			w.versions("1.0")
			g := w.until("over", over)
			if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "CountsDiffer" {
				t.Fatalf("Succeeded is %s %s: %s", c.Status, c.Reason, c.Message)
			}
			w.wantServing("campus:1.0")
			back := w.rollback()
			if len(back.Status.Replaced) != 1 || back.Status.Price == nil || back.Status.Price.Rows != 0 {
				t.Errorf("replaced %v, price %v", back.Status.Replaced, back.Status.Price)
			}
		})
	}
}

func TestDeletingAGoLivePutsTheSiteBack(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 5 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); client.IgnoreNotFound(err) != nil || err == nil {
		t.Fatalf("the go-live is still there: %v", err)
	}
	if !w.isOpen() || *w.deployment("web").Spec.Replicas != 2 {
		t.Error("the site was not put back")
	}
}

func TestDeletingAGoLivePastThePointOfNoReturnWaitsForAPerson(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-hop-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("upgrading", func(g *v1alpha1.GoLive) bool { return state(g, "Hops") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 5 {
		w.tick()
	}
	g := w.get()
	if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition); c == nil || c.Reason != "DeletionWaits" {
		t.Errorf("conditions %v", g.Status.Conditions)
	}
	if w.isOpen() {
		t.Error("opened half-upgraded")
	}
	// What the message names works, and awaits the hop that nobody stopped.
	pod := w.pod("upgrades", map[string]string{batchv1.JobNameLabel: w.jobs("-hop-")[0]})
	w.versions("1.0")
	w.backFromGo("back")
	w.backUntil("awaiting the hop", at("AwaitHops"))
	for range 5 {
		w.tick()
	}
	if e := entry(w.rollback(), "AwaitHops"); e.State != v1alpha1.StepRunning || w.isOpen() {
		t.Fatalf("a hop runs, and AwaitHops is %s; open: %v", e.State, w.isOpen())
	}
	w.must(w.admin.Delete(w.ctx, pod, client.GracePeriodSeconds(0)))
	w.wantBack()
	w.tick()
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), g); !apierrors.IsNotFound(err) {
		t.Errorf("the go-live is still there: %v", err)
	}
}

func TestALeaseThatWasTakenStallsTheRun(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	lease := &coordinationv1.Lease{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "gradus-campus"}, lease))
	lease.Spec.HolderIdentity = ptr.To("Watchdog/" + *lease.Spec.HolderIdentity)
	lease.Spec.LeaseTransitions = ptr.To(*lease.Spec.LeaseTransitions + 1)
	w.must(w.admin.Update(w.ctx, lease))
	w.outcomes = map[string]pipeline.JobOutcome{}
	writes := w.writes
	for range 5 {
		w.tick()
	}
	if c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.StalledCondition); c == nil || c.Reason != v1alpha1.LeaseLostReason {
		t.Errorf("conditions %v", w.get().Status.Conditions)
	}
	if w.writes != writes+1 { // its own status, once
		t.Errorf("%d writes without the lease", w.writes-writes)
	}
}
