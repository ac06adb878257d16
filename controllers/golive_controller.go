// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
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
	if !g.DeletionTimestamp.IsZero() {
		return r.letGo(ctx, g)
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
	result, err := r.Settler.Settle(ctx, before, g, verdict, err, r.Clock.Now())
	return r.awake(result, err, g)
}

// walk runs the steps, if the site is ours to run them on.
func (r *GoLiveReconciler) walk(
	ctx context.Context, g *v1alpha1.GoLive, session *production.Session, grip production.Grip,
) (pipeline.Verdict, error) {
	if verdict, over := golive.Over(g); over {
		return r.tend(ctx, g, session, grip, verdict)
	}
	ending := replaced(g, grip)
	if grip.Lost && !wayBack(grip) {
		return r.lost(ctx, g, grip)
	}
	if grip.Lost {
		g.SetHeld(nil) // our own way back has taken over
	}
	if ending {
		closing.TakenOver(g.Status.Steps, grip.Holder, r.Clock.Now())
	}
	view, err := r.observe(ctx, g, grip)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	return walk(ctx, r.Base, g, march[golive.View]{
		steps: golive.Steps, ledger: &g.Status.Steps, view: view, session: session, objection: golive.View.Objection,
		wayBack: true, ending: ending,
	})
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

// observe reads everything live.
func (r *GoLiveReconciler) observe(
	ctx context.Context, g *v1alpha1.GoLive, grip production.Grip,
) (golive.View, error) {
	scene, err := r.scene(ctx, g, grip)
	view := golive.View{Scene: scene, GoLive: g}
	if err != nil || scene.Site == nil {
		return view, err
	}
	if view.Backup, err = optional(ctx, r.Live, g.Namespace, g.Spec.BackupRef.Name, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	view.Sought = g.Status.FixPoint
	if view.FixPoint, err = optional(ctx, r.Live, g.Namespace, view.Sought, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	if len(g.Spec.Scale) > 0 {
		live := &liveSite{reader: r.Live, site: scene.Site}
		if view.Autoscalers, err = live.autoscalers(ctx); err != nil {
			return view, err
		}
	}
	if slices.ContainsFunc(g.Status.Steps, hopAgain) {
		if view.HopPods, err = r.hopPods(ctx, g); err != nil {
			return view, err
		}
	}
	return view, r.observeGates(ctx, &view)
}

// observeGates computes what was decided on again, and who agreed.
func (r *GoLiveReconciler) observeGates(ctx context.Context, view *golive.View) error {
	g := view.GoLive
	plan, err := optional(ctx, r.Live, g.Namespace, g.Spec.PlanRef.Name, &v1alpha1.UpgradePlan{})
	if err != nil || plan == nil || g.Spec.PlanRef.UID != "" && plan.UID != g.Spec.PlanRef.UID {
		return err
	}
	view.Plan = plan
	facts := gate.Facts{Plan: plan, Site: view.Site, AgentImage: r.Install.Image}
	if view.Profile != nil {
		facts.ProfileDigest = view.Profile.Digest()
	}
	trial, staging := plan.Status.Trial, plan.Status.Staging
	if facts.Trial, err = optional(ctx, r.Live, g.Namespace, trial, &v1alpha1.TrialUpgrade{}); err != nil {
		return err
	}
	if facts.Staging, err = optional(ctx, r.Live, g.Namespace, staging, &v1alpha1.StagingEnvironment{}); err != nil {
		return err
	}
	var approvals v1alpha1.UpgradeApprovalList
	if err := r.Live.List(ctx, &approvals, client.InNamespace(g.Namespace)); err != nil {
		return fmt.Errorf("list UpgradeApprovals: %w", err)
	}
	now := r.Clock.Now()
	view.Digest = gate.Subject(v1alpha1.GateGoLive, facts).Digest()
	view.Gate = gate.Count(plan, v1alpha1.GateGoLive, view.Digest, approvals.Items, now)
	view.Open = gate.Count(plan, v1alpha1.GateOpen, gate.Subject(v1alpha1.GateOpen, facts).Digest(), approvals.Items, now)
	return nil
}

// optional reads an object that may not be there; no name, no object.
func optional[T client.Object](ctx context.Context, from client.Reader, namespace, name string, into T) (T, error) {
	var none T
	if name == "" {
		return none, nil
	}
	switch err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into); {
	case apierrors.IsNotFound(err):
		return none, nil
	case err != nil:
		return none, fmt.Errorf("get %T %s: %w", into, name, err)
	}
	return into, nil
}

// SetupWithManager registers the reconciler and what wakes it.
func (r *GoLiveReconciler) SetupWithManager(mgr ctrl.Manager) error {
	kind := ownerOf("GoLive")
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.GoLive{}).
		Watches(&batchv1.Job{}, kind).
		Watches(&appsv1.Deployment{}, kind).
		Watches(&v1alpha1.SiteBackup{}, kind).
		Watches(&v1alpha1.Rollback{}, kind).
		Watches(&v1alpha1.UpgradePlan{}, handler.EnqueueRequestsFromMapFunc(goLiveOf)).
		WithOptions(patience()).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}
