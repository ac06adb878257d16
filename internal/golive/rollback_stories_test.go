// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"fmt"
	"slices"
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
	"github.com/gradus-lms/gradus/internal/task"
)

// finds gives the outcome of a Job that reads version 1.0 and a number of posts.
func finds(posts int) pipeline.JobOutcome {
	return pipeline.JobOutcome{State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: map[string]string{
		"version.database": "1.0", "version.http": "1.0", "count.users": "5", "count.posts": fmt.Sprintf("%d, %d", posts, 20*posts)}}}
}

// goesBack makes a person's Rollback to a backup of the version that is served.
func (w *world) goesBack(spec func(*v1alpha1.Rollback)) {
	w.t.Helper()
	w.goLive = &v1alpha1.GoLive{ObjectMeta: w.meta("none")}
	site := &v1alpha1.Site{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "campus"}, site))
	site.Status.Version = "1.0"
	w.must(w.admin.Status().Update(w.ctx, site))
	w.must(w.admin.Create(w.ctx, &v1alpha1.SiteBackup{ObjectMeta: w.meta("backup"),
		Spec: v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}}}))
	w.backups()
	back := &v1alpha1.Rollback{ObjectMeta: w.meta("way"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{BackupRef: &v1alpha1.LocalRef{Name: "backup"}}}}
	back.Annotations = map[string]string{v1alpha1.AuthorsAnnotation: "tom"}
	if spec != nil {
		spec(back)
	}
	w.must(w.admin.Create(w.ctx, back))
	for _, job := range []string{"price", "recount", "verify", "smoke"} {
		w.outcomes["way-"+job] = finds(100)
	}
}

// backUntil ticks until something holds of the Rollback.
func (w *world) backUntil(what string, holds func(*v1alpha1.Rollback) bool) *v1alpha1.Rollback {
	w.t.Helper()
	for range 80 {
		w.tick()
		if back := w.rollback(); holds(back) {
			return back
		}
	}
	for _, e := range w.rollback().Status.Steps {
		w.t.Logf("%s: %s %s: %s", e.Name, e.State, e.Reason, e.Message)
	}
	w.t.Fatalf("never came to it: %s; %v", what, w.rollback().Status.Conditions)
	return nil
}

func ended(back *v1alpha1.Rollback) bool {
	return meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition) != nil
}

// at says whether a rollback came to a step, and it is not over.
func at(step string) func(*v1alpha1.Rollback) bool {
	return func(back *v1alpha1.Rollback) bool {
		return slices.ContainsFunc(back.Status.Steps, func(e v1alpha1.StepStatus) bool {
			return e.Name == step && e.State != v1alpha1.StepPending
		})
	}
}

func (w *world) holder() string {
	lease := &coordinationv1.Lease{}
	err := w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "gradus-campus"}, lease)
	w.must(client.IgnoreNotFound(err))
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

// Users write until the doors close: that is lost as well, and nobody agreed.
func TestALossThatRoseOpensTheSiteAgain(t *testing.T) {
	tests := map[string]struct {
		allowed       int64
		price, closed int
		reason        string
	}{
		"nobody wrote":                            {0, 100, 100, "Succeeded"},
		"somebody wrote while nobody was asked":   {0, 100, 103, "PriceRose"},
		"no more than may be lost without asking": {5, 100, 105, "Succeeded"},
		"more than may be lost without asking":    {5, 100, 106, "PriceRose"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.goesBack(func(back *v1alpha1.Rollback) { back.Spec.MaxDataLoss.Rows = test.allowed })
			w.outcomes["way-price"], w.outcomes["way-recount"] = finds(test.price), finds(test.closed)
			back := w.backUntil("over", ended)
			c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition)
			if c.Reason != test.reason {
				t.Fatalf("%s: %s", c.Reason, c.Message)
			}
			if p := back.Status.Price; p.Closed == nil || p.Closed.Rows != int64(test.closed-100) || p.Rows != int64(test.price-100) {
				t.Errorf("price %+v", p)
			}
			if rose := test.reason == "PriceRose"; rose && (len(back.Status.Replaced) != 0 ||
				!strings.Contains(c.Message, "now 3 rows") && !strings.Contains(c.Message, "now 6 rows") ||
				!strings.Contains(c.Message, "the price was 0 rows") || !strings.Contains(c.Message, "create a new Rollback")) {
				t.Errorf("replaced %v: %s", back.Status.Replaced, c.Message)
			}
			w.wantServing("campus:1.0")
			if holder := w.holder(); holder != "" {
				t.Errorf("held by %s", holder)
			}
		})
	}
}

func TestABackupWithoutFiguresIsNoLossOfNothing(t *testing.T) {
	w := newWorld(t)
	w.goesBack(func(back *v1alpha1.Rollback) { back.Spec.MaxDataLoss.Rows = 99 })
	backup := &v1alpha1.SiteBackup{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "backup"}, backup))
	backup.Status.Counts = nil
	w.must(w.admin.Status().Update(w.ctx, backup))
	back := w.backUntil("waiting", func(back *v1alpha1.Rollback) bool {
		return meta.IsStatusConditionTrue(back.Status.Conditions, v1alpha1.WaitingCondition)
	})
	if p := back.Status.Price; p.Unknown != "the backup has no figures" || len(back.Status.Changes) != 0 {
		t.Errorf("price %+v", p)
	}
}

// A decision that is withdrawn, or a no that comes late, counts until the
// point of no return.
func TestANoBeforeThePointOfNoReturnCounts(t *testing.T) {
	w := newWorld(t)
	w.goesBack(nil)
	w.outcomes["way-price"], w.outcomes["way-recount"] = finds(110), finds(110)
	decide := func(who string, decision v1alpha1.Decision) {
		w.must(w.admin.Create(w.ctx, &v1alpha1.UpgradeApproval{ObjectMeta: w.meta("by-" + who), Spec: v1alpha1.UpgradeApprovalSpec{
			RollbackRef: &v1alpha1.LocalRef{Name: "way"}, Gate: v1alpha1.GateDataLoss,
			Digest: w.rollback().Status.Price.Digest, Decision: decision, Approver: who}}))
	}
	w.backUntil("priced", func(back *v1alpha1.Rollback) bool { return back.Status.Price != nil })
	decide("tom", v1alpha1.DecisionApprove)
	back := w.backUntil("told", func(back *v1alpha1.Rollback) bool {
		c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.WaitingCondition)
		return c != nil && strings.Contains(c.Message, "not counted: tom (own rollback)")
	})
	if len(back.Status.Changes) != 0 {
		t.Fatalf("changes %v", back.Status.Changes)
	}
	decide("anna", v1alpha1.DecisionApprove)
	w.backUntil("closed", at("VerifyBeside"))
	decide("zoe", v1alpha1.DecisionReject)
	back = w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Reason != "Rejected" {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// stands says whether a change of the journal was made and not put back.
func stands(back *v1alpha1.Rollback) bool {
	return slices.ContainsFunc(back.Status.Changes, func(c v1alpha1.Change) bool { return c.State == v1alpha1.ChangeApplied })
}

// The Rollback noted what it needs of the go-live that it took over from.
func TestARollbackGoesOnWithoutTheGoLive(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["go-smoke"] = broken("CountsDiffer")
	w.versions("1.0")
	w.verifying()
	w.loses(w.goLive)
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	for _, name := range []string{"web", "cron"} {
		if image := w.deployment(name).Spec.Template.Spec.Containers[0].Image; image != "campus:1.0" || !w.isOpen() {
			t.Errorf("%s runs %s, open: %v", name, image, w.isOpen())
		}
	}
}

// After a retry the ledger knows the latest attempt only; the pod that was
// lost belongs to an earlier one.
func TestARollbackAwaitsPodsOfEveryAttempt(t *testing.T) {
	w, stalled := heldAfterHop(t)
	first := w.jobs("-hop-")[0]
	w.retry("Hops@1")
	w.until("failed again", func(g *v1alpha1.GoLive) bool {
		return stalled(g) && len(w.jobs("-hop-")) == 2 && reason(g, "Hops") == "HopPodLost"
	})
	ofJob := w.pod("unreachable", map[string]string{"batch.kubernetes.io/job-name": first})
	orphan := w.pod("orphan", map[string]string{"batch.kubernetes.io/job-name": "gone",
		v1alpha1.OwnerUIDLabel: string(w.goLive.UID), v1alpha1.StepLabel: "Hops"})
	ofLost := w.pod("of-a-lost-rollback", map[string]string{"batch.kubernetes.io/job-name": "switch",
		v1alpha1.OwnerUIDLabel: "lost", v1alpha1.StepLabel: "Switch"})
	other := &v1alpha1.GoLive{ObjectMeta: w.meta("other"), Spec: w.get().Spec}
	other.Spec.SiteRef.Name = "other"
	w.must(w.admin.Create(w.ctx, other))
	w.pod("of-another-site", map[string]string{"batch.kubernetes.io/job-name": "elsewhere",
		v1alpha1.OwnerUIDLabel: string(other.UID), v1alpha1.StepLabel: "Hops"})
	w.outcomes = map[string]pipeline.JobOutcome{}
	w.versions("1.0")
	w.must(w.admin.Create(w.ctx, &v1alpha1.Rollback{ObjectMeta: w.meta("back"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}}}))
	for _, pod := range []*corev1.Pod{ofJob, orphan, ofLost} {
		w.backUntil("awaiting", at("AwaitHops"))
		for range 3 {
			w.tick()
		}
		if e := entry(w.rollback(), "AwaitHops"); e.State != v1alpha1.StepRunning || e.Reason != "HopPodsLeft" {
			t.Fatalf("%s lives, and AwaitHops is %s: %s", pod.Name, e.State, e.Message)
		}
		w.must(w.admin.Delete(w.ctx, pod, client.GracePeriodSeconds(0)))
	}
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Errorf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

func entry(back *v1alpha1.Rollback, step string) v1alpha1.StepStatus {
	for _, e := range back.Status.Steps {
		if e.Name == step {
			return e
		}
	}
	return v1alpha1.StepStatus{}
}
