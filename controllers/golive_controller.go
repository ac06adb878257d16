// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	grip, err := r.keep(ctx, g, g.Status.Steps, "")
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
		return verdict, nil
	}
	if grip.Lost {
		if !strings.HasPrefix(grip.Holder, "Rollback/") {
			return r.lost(ctx, g, grip)
		}
		g.SetHeld(nil) // our own way back has taken over
	}
	view, err := r.observe(ctx, g, grip)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if what := view.Blind(g.Status.Steps); what != "" && grip.Held {
		if view.Committed() {
			return pipeline.Fail(v1alpha1.SiteNotReadyReason, "%s; the site stays as it is until it is back", what), nil
		}
		closing.Abandon(g.Status.Steps, v1alpha1.SiteNotReadyReason, what, r.Clock.Now())
	}
	if view.Rival != nil && view.Committed() && !grip.Lost {
		return failed(view.Conflict(*view.Rival)), nil
	}
	if closing.Committing(g.Status.Steps) && closing.MayCommit(view, golive.View.Objection) == nil {
		if view.Grip, err = r.writer().Leases.Keep(ctx, g, production.WishCommit, ""); err != nil {
			return pipeline.Verdict{}, err
		}
	}
	engine := r.Engine
	engine.Production = session
	verdict, err := pipeline.Run(ctx, engine, g, golive.Steps, view, &g.Status.Steps)
	if err != nil && view.Held() && !view.Committed() && closing.GiveUp(g.Status.Steps, err, r.Clock.Now()) {
		return pipeline.Wait("GivingUp", "the site is put back as it was: %v", err).By(r.Clock.Now().Add(time.Second)), nil
	}
	return verdict, err
}

// failed turns what waits for a person's repair into a stall, without
// settling any step.
func failed(v pipeline.Verdict) pipeline.Verdict {
	v.State = v1alpha1.StepFailed
	return v
}

// conclude says how the run ended, and what a person can do when it did not.
func (r *GoLiveReconciler) conclude(g *v1alpha1.GoLive, v pipeline.Verdict) pipeline.Verdict {
	end, over := golive.Over(g)
	switch {
	case over && end.State == v1alpha1.StepPassed:
		status.Set(&g.Status.Conditions, v1alpha1.SucceededCondition, metav1.ConditionTrue, g.Generation, "Succeeded", end.Message)
		return end
	case over:
		status.Set(&g.Status.Conditions, v1alpha1.SucceededCondition, metav1.ConditionFalse, g.Generation, end.Reason, end.Message)
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
func (r *GoLiveReconciler) observe(ctx context.Context, g *v1alpha1.GoLive, grip production.Grip) (golive.View, error) {
	scene, err := r.scene(ctx, g, grip)
	view := golive.View{Scene: scene, GoLive: g}
	if err != nil || scene.Site == nil {
		return view, err
	}
	if view.Backup, err = optional(ctx, r.Live, g.Namespace, g.Spec.BackupRef.Name, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	if view.FixPoint, err = optional(ctx, r.Live, g.Namespace, g.Status.FixPoint, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	plan, err := optional(ctx, r.Live, g.Namespace, g.Spec.PlanRef.Name, &v1alpha1.UpgradePlan{})
	if err != nil || plan == nil || g.Spec.PlanRef.UID != "" && plan.UID != g.Spec.PlanRef.UID {
		return view, err
	}
	view.Plan = plan
	facts := gate.Facts{Plan: plan, Site: scene.Site, AgentImage: r.Install.Image}
	if scene.Profile != nil {
		facts.ProfileDigest = scene.Profile.Digest()
	}
	if facts.Trial, err = optional(ctx, r.Live, g.Namespace, plan.Status.Trial, &v1alpha1.TrialUpgrade{}); err != nil {
		return view, err
	}
	if facts.Staging, err = optional(ctx, r.Live, g.Namespace, plan.Status.Staging, &v1alpha1.StagingEnvironment{}); err != nil {
		return view, err
	}
	var approvals v1alpha1.UpgradeApprovalList
	if err := r.Live.List(ctx, &approvals, client.InNamespace(g.Namespace)); err != nil {
		return view, fmt.Errorf("list UpgradeApprovals: %w", err)
	}
	now := r.Clock.Now()
	view.Digest = gate.Subject(v1alpha1.GateGoLive, facts).Digest()
	view.Gate = gate.Count(plan, v1alpha1.GateGoLive, view.Digest, approvals.Items, now)
	view.Open = gate.Count(plan, v1alpha1.GateOpen, gate.Subject(v1alpha1.GateOpen, facts).Digest(), approvals.Items, now)
	return view, nil
}

// optional reads an object that may not be there; no name, no object.
func optional[T client.Object](ctx context.Context, from client.Reader, namespace, name string, into T) (T, error) {
	var none T
	if name == "" {
		return none, nil
	}
	err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	if client.IgnoreNotFound(err) != nil {
		return none, fmt.Errorf("get %T %s: %w", into, name, err)
	}
	if err != nil {
		return none, nil
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
		WithOptions(patience()).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}
