// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/status"
)

// GoLiveReconciler takes live sites to their targets. With the
// RollbackReconciler it is the only writer of production.
type GoLiveReconciler struct{ Base }

// Reconcile walks the go-live to its next resting place. The lease comes
// first: whoever does not hold it does nothing.
func (r *GoLiveReconciler) Reconcile(ctx context.Context, g *v1alpha1.GoLive) (ctrl.Result, error) {
	// An old picture of the ledger could take a lease that was given back.
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(g), g); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if ends, err := r.ends(ctx, g); ends || err != nil {
		return r.letGo(ctx, g, err)
	}
	if added, err := ensureFinalizer(ctx, r.Client, g); added || err != nil {
		return ctrl.Result{}, err
	}
	before := g.DeepCopy()
	if g.Status.Steps == nil {
		g.Status.Steps = pipeline.Ledger(golive.Steps)
	}
	session := r.writer().Begin(g)
	grip, err := r.keep(ctx, g, *golive.Ledger(g), "")
	if racing(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	var verdict pipeline.Verdict
	if err == nil {
		verdict, err = r.walk(ctx, g, session, grip)
	}
	verdict = r.conclude(g, verdict)
	result, settled := r.Settler.Settle(ctx, before, g, verdict, err, r.Clock.Now())
	r.Sights.note(g, err, settled, r.Clock.Now())
	_, over := golive.Over(g)
	settled = r.late(ctx, g, over, settled)
	return r.awake(result, settled, g)
}

// walk runs the steps, if the site is ours to run them on.
func (r *GoLiveReconciler) walk(
	ctx context.Context, g *v1alpha1.GoLive, session *production.Session, grip production.Grip,
) (pipeline.Verdict, error) {
	if verdict, over := golive.Over(g); over {
		return r.tend(ctx, g, session, grip, verdict)
	}
	ending := replaced(g, grip)
	if grip.Lost && !tookOver(g, grip) {
		return r.lost(ctx, g, grip)
	}
	if grip.Lost {
		g.SetHeld(nil) // our own way back has taken over
	}
	if ending {
		closing.TakenOver(g.Status.Steps, successor(g, grip), r.Clock.Now())
	}
	view, err := r.observe(ctx, g, grip)
	if err != nil {
		return pipeline.Verdict{}, unseen{err}
	}
	view.Remember()
	if !ending && view.GaveWay() {
		closing.GiveWay(g.Status.Steps, r.Clock.Now())
		ending = true
	}
	verdict, err := walk(ctx, r.Base, g, march[golive.View]{
		steps: golive.Steps, ledger: &g.Status.Steps, view: view, session: session, objection: golive.View.Objection,
		stopped: golive.View.GivenUp, wayBack: true, ending: ending,
	})
	if no := view.CannotGoBack(err); no != nil {
		return *no, nil
	}
	return passed(g, verdict), err
}

// passed gives the verdict of a run that has just let users in, instead of that of its walk.
func passed(g *v1alpha1.GoLive, v pipeline.Verdict) pipeline.Verdict {
	if end, over := golive.Over(g); over && end.State == v1alpha1.StepPassed {
		return end
	}
	return v
}

// conclude says how the run ended, and what a person can do when it did not.
func (r *GoLiveReconciler) conclude(g *v1alpha1.GoLive, v pipeline.Verdict) pipeline.Verdict {
	end, over := golive.Over(g)
	verdict := func(state metav1.ConditionStatus, reason string) {
		status.Set(&g.Status.Conditions, v1alpha1.SucceededCondition, state, g.Generation, reason, end.Message)
	}
	switch {
	case over && end.State == v1alpha1.StepPassed:
		verdict(metav1.ConditionTrue, "Succeeded")
		return v
	case over:
		verdict(metav1.ConditionFalse, end.Reason)
		end.State = v1alpha1.StepPassed // the run is over; its verdict is Succeeded=False
		return end
	case v.State == v1alpha1.StepWaiting && v.Reason == v1alpha1.ConflictingWriterReason:
		return failed(v)
	case v.State == v1alpha1.StepFailed && g.Status.Lease != nil && g.Status.Lease.Point == v1alpha1.PointCommitted:
		v.Message += "; " + golive.Advice(g)
	}
	return v
}

// Wakes lists what wakes the reconciler.
func (r *GoLiveReconciler) Wakes() []Wake {
	kind := ownerOf("GoLive")
	return []Wake{
		{Of: &batchv1.Job{}, By: kind},
		{Of: &appsv1.Deployment{}, By: kind},
		{Of: &v1alpha1.SiteBackup{}, By: kind},
		{Of: &v1alpha1.Rollback{}, By: kind},
		{Of: &v1alpha1.UpgradePlan{}, By: handler.EnqueueRequestsFromMapFunc(goLiveOf)},
	}
}

// SetupWithManager registers the reconciler.
func (r *GoLiveReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.GoLive{}, r.Wakes()).WithOptions(patience()).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}
