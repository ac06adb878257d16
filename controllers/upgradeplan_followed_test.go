// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/notify"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/plan"
)

// goingLive makes a plan whose go-live is under way, or is gone where it has no status.
func (w *backupWorld) goingLive(name string, status *v1alpha1.GoLiveStatus) *v1alpha1.UpgradePlan {
	w.t.Helper()
	must := func(err error) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.make(newPlan(name))
	p, ctx, now := w.plan(name), w.t.Context(), metav1.Now().Rfc3339Copy()
	child := v1alpha1.ChildRef{Kind: "GoLive", Namespace: "campus", Name: name + "-golive-1", UID: "gone"}
	if status != nil {
		g := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: child.Name},
			Spec: v1alpha1.GoLiveSpec{SiteRef: p.Spec.SiteRef, PlanRef: v1alpha1.PlanRef{Name: p.Name, UID: p.UID},
				Digest: "sha256:" + strings.Repeat("0", 64), BackupRef: v1alpha1.LocalRef{Name: "nightly"},
				Upgrade: v1alpha1.UpgradeSpec{From: "1.0", Releases: p.Spec.Target.Releases,
					Hops: []v1alpha1.Hop{{From: "1.0", To: "2.0", Reason: "asked for"}}}}}
		w.make(g)
		g.Status, child.UID = *status, g.UID
		must(w.client.Status().Update(ctx, g))
	}
	p.Status.Started, p.Status.GoLive, p.Status.Steps = &now, child.Name, pipeline.Ledger(plan.Steps)
	for i := range p.Status.Steps {
		e := &p.Status.Steps[i]
		e.State, e.Attempt, e.Started, e.Finished = v1alpha1.StepPassed, 1, &now, &now
		if e.Name == v1alpha1.StepGoLive {
			e.State, e.Finished, e.Children = v1alpha1.StepRunning, nil, []v1alpha1.ChildRef{child}
			break
		}
	}
	must(w.client.Status().Update(ctx, p))
	return p
}

// The Site of a go-live is deleted, and the plan waits for it: how the go-live ended it
// sees all the same.
func TestAPlanWithoutItsSiteFollowsItsGoLive(t *testing.T) {
	w := startBackupWorld(t)
	w.base.Teller, w.base.Engine.Reports = notify.NewTeller(w.client, "gradus-system"), jobs{}
	now := metav1.Now()
	w.goingLive("autumn", &v1alpha1.GoLiveStatus{Version: "2.0", Conditions: []metav1.Condition{
		{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Over", LastTransitionTime: now},
		{Type: v1alpha1.SucceededCondition, Status: metav1.ConditionTrue, Reason: "Succeeded", LastTransitionTime: now}}})
	if err := w.client.Delete(t.Context(), w.site()); err != nil {
		t.Fatal(err)
	}
	p := w.plan("autumn")
	for _, e := range p.Status.Steps {
		if e.Name == v1alpha1.StepGoLive && (e.State != v1alpha1.StepPassed || e.Finished == nil) {
			t.Errorf("step GoLive is %s: %s", e.State, e.Message)
		}
	}
	if !strings.Contains(p.Status.Summary.WaitsFor, "there is no Site campus") {
		t.Errorf("%+v", p.Status.Summary)
	}
}

// Site and go-live are gone: the plan says both, and does not order another go-live.
func TestAPlanWithoutItsSiteAndGoLive(t *testing.T) {
	w := startBackupWorld(t)
	w.base.Teller, w.base.Engine.Reports = notify.NewTeller(w.client, "gradus-system"), jobs{}
	w.goingLive("autumn", nil)
	if err := w.client.Delete(t.Context(), w.site()); err != nil {
		t.Fatal(err)
	}
	p := w.plan("autumn")
	if e := stepOf(p, v1alpha1.StepGoLive); e.Reason != pipeline.ChildGoneReason {
		t.Errorf("step GoLive is %s: %s: %s", e.State, e.Reason, e.Message)
	}
	if !strings.Contains(p.Status.Summary.WaitsFor, "there is no Site campus") {
		t.Errorf("%+v", p.Status.Summary)
	}
}

// The status that should have told of an order was lost, and a person paused the plan in
// that moment: the go-live is followed all the same, be it the first or one of a retry.
func TestAnOrderWhoseRecordWasLost(t *testing.T) {
	for name, attempt := range map[string]int32{"the first": 1, "of a retry": 2} {
		t.Run(name, func(t *testing.T) { orderWhoseRecordWasLost(t, attempt) })
	}
}

func orderWhoseRecordWasLost(t *testing.T, attempt int32) {
	t.Helper()
	w := startBackupWorld(t)
	w.base.Teller, w.base.Engine.Reports = notify.NewTeller(w.client, "gradus-system"), jobs{}
	now := metav1.Now()
	p := w.goingLive("autumn", nil)
	e := stepOf(p, v1alpha1.StepGoLive)
	ordered := *e
	ordered.Attempt = attempt
	run := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: plan.OrderName(p, ordered),
		Labels: map[string]string{v1alpha1.OwnerUIDLabel: string(p.UID), v1alpha1.OwnerKindLabel: "UpgradePlan",
			v1alpha1.StepLabel: v1alpha1.StepGoLive}},
		Spec: v1alpha1.GoLiveSpec{SiteRef: p.Spec.SiteRef, PlanRef: v1alpha1.PlanRef{Name: p.Name, UID: p.UID},
			Digest: "sha256:" + strings.Repeat("0", 64), BackupRef: v1alpha1.LocalRef{Name: "nightly"},
			Upgrade: v1alpha1.UpgradeSpec{From: "1.0", Releases: p.Spec.Target.Releases,
				Hops: []v1alpha1.Hop{{From: "1.0", To: "2.0", Reason: "asked for"}}}}}
	w.make(run)
	run.Status.Lease, run.Status.Closed = &v1alpha1.HeldLease{Name: "gradus-campus", Fence: 1, Point: v1alpha1.PointReversible}, &now
	if err := w.client.Status().Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if attempt == 1 {
		e.State, e.Children, p.Status.GoLive = v1alpha1.StepWaiting, nil, ""
	} else {
		e.State, e.Finished = v1alpha1.StepFailed, &now
	}
	if err := w.client.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	if err := w.client.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	p = w.plan("autumn")
	if p.Status.GoLive != run.Name || p.Status.Summary.Production != "closed, Reversible" || len(p.Status.Held) == 0 {
		t.Errorf("go-live %q: %+v", p.Status.GoLive, p.Status.Summary)
	}
	if e := stepOf(p, v1alpha1.StepGoLive); e.State != v1alpha1.StepRunning || len(e.Children) != 1 || e.Attempt != attempt {
		t.Errorf("step GoLive is %s, attempt %d: %v", e.State, e.Attempt, e.Children)
	}
}

func stepOf(p *v1alpha1.UpgradePlan, name string) *v1alpha1.StepStatus {
	for i := range p.Status.Steps {
		if p.Status.Steps[i].Name == name {
			return &p.Status.Steps[i]
		}
	}
	return nil
}

// The go-live is gone, and a rollback has the site closed: whoever deletes the plan
// does not hide that.
func TestAPlanStaysWhileARollbackHoldsItsSite(t *testing.T) {
	w := startBackupWorld(t)
	w.base.Teller, w.base.Engine.Reports = notify.NewTeller(w.client, "gradus-system"), jobs{}
	ctx, now := t.Context(), metav1.Now()
	p := w.goingLive("autumn", nil)
	back := &v1alpha1.Rollback{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "back"}, Spec: v1alpha1.RollbackSpec{
		SiteRef: p.Spec.SiteRef, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: p.Status.GoLive}}}}
	w.make(back)
	hold := func(lease *v1alpha1.HeldLease) {
		back.Status.Lease, back.Status.Closed = lease, &now
		if err := w.client.Status().Update(ctx, back); err != nil {
			t.Fatal(err)
		}
	}
	hold(&v1alpha1.HeldLease{Name: "gradus-campus", Fence: 2, Point: v1alpha1.PointCommitted})
	if p = w.plan("autumn"); p.Status.Summary.Production != "closed, Committed, by Rollback back" || len(p.Status.Held) == 0 {
		t.Errorf("%+v, held %v", p.Status.Summary, p.Status.Held)
	}
	if err := w.client.Delete(ctx, p); err != nil {
		t.Fatal(err)
	}
	if p = w.plan("autumn"); p.DeletionTimestamp == nil {
		t.Error("the plan is not being deleted")
	}
	hold(nil)
	reconciler := &UpgradePlanReconciler{Base: w.base}
	if _, err := reconciler.Reconcile(ctx, p); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Get(ctx, client.ObjectKeyFromObject(p), p); !apierrors.IsNotFound(err) {
		t.Errorf("the plan: %v", err)
	}
}
