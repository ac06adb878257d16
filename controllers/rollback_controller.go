// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
	"github.com/gradus-lms/gradus/internal/status"
)

// RollbackReconciler brings live sites back. With the GoLiveReconciler it is
// the only writer of production.
type RollbackReconciler struct{ Base }

// Reconcile walks the rollback to its next resting place. The lease comes
// first: whoever does not hold it does nothing.
func (r *RollbackReconciler) Reconcile(ctx context.Context, back *v1alpha1.Rollback) (ctrl.Result, error) {
	// An old picture of the ledger could take a lease that was given back.
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(back), back); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if ends, err := r.ends(ctx, back); ends || err != nil {
		return r.letGo(ctx, back, err)
	}
	if added, err := ensureFinalizer(ctx, r.Client, back); added || err != nil {
		return ctrl.Result{}, err
	}
	was := back.DeepCopy()
	if back.Status.Steps == nil {
		back.Status.Steps = pipeline.Ledger(rollback.Steps)
	}
	from, err := r.source(ctx, back)
	if err != nil {
		return ctrl.Result{}, err
	}
	session := r.writer().Begin(back)
	grip, err := r.keep(ctx, back, back.Status.Steps, rollback.From(from.goLive, from.before))
	if racing(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	var verdict pipeline.Verdict
	from.taken = grip.Held && !rollback.Took(back)
	if err == nil {
		err = r.inherit(ctx, back, from)
	}
	if err == nil {
		verdict, err = r.walk(ctx, back, from, session, grip)
	}
	result, settled := r.Settler.Settle(ctx, was, back, r.conclude(back, verdict), err, r.Clock.Now())
	r.Sights.note(back, err, settled, r.Clock.Now())
	_, over := rollback.Over(back)
	settled = r.late(ctx, back, over, settled)
	return r.awake(result, settled, back)
}

// walk runs the steps, if the site is ours to run them on.
func (r *RollbackReconciler) walk(
	ctx context.Context, back *v1alpha1.Rollback, from source, session *production.Session, grip production.Grip,
) (pipeline.Verdict, error) {
	if verdict, over := rollback.Over(back); over {
		return verdict, nil
	}
	ending := followed(back, grip)
	switch {
	case ending:
		back.SetHeld(nil)
		closing.TakenOver(back.Status.Steps, grip.Holder, r.Clock.Now())
	case grip.Lost:
		return r.lost(ctx, back, grip)
	}
	view, err := r.observe(ctx, back, from, grip)
	if err != nil {
		return pipeline.Verdict{}, unseen{err}
	}
	view.Remember()
	if no := view.Blind(); no != nil {
		if view.PastCommit() {
			no.Message += "; the site stays as it is until it is back"
			return *no, nil
		}
		if view.Abandon(*no) {
			return givingUp(no.Message, view.Now), nil
		}
	}
	return walk(ctx, r.Base, back, march[rollback.View]{
		steps: rollback.Steps, ledger: &back.Status.Steps, view: view, session: session, objection: rollback.View.Objection,
		ending: ending,
	})
}

// conclude says how the rollback ended, or whom it waits for.
func (r *RollbackReconciler) conclude(back *v1alpha1.Rollback, v pipeline.Verdict) pipeline.Verdict {
	set := func(condition string, state metav1.ConditionStatus, v pipeline.Verdict) {
		status.Set(&back.Status.Conditions, condition, state, back.Generation, v.Reason, v.Message)
	}
	awaits(back, v)
	end, over := rollback.Over(back)
	switch {
	case over && end.State == v1alpha1.StepPassed:
		end.Reason = "Succeeded"
		set(v1alpha1.SucceededCondition, metav1.ConditionTrue, end)
		return end
	case over:
		set(v1alpha1.SucceededCondition, metav1.ConditionFalse, end)
		end.State = v1alpha1.StepPassed // the run is over; its verdict is Succeeded=False
		return end
	case v.State == v1alpha1.StepWaiting && v.Reason == v1alpha1.ConflictingWriterReason:
		return failed(v)
	case committed(back) && slices.ContainsFunc(back.Status.Steps, stepFailed):
		v.Message += "; the site stays as it is until a person retries the step (annotation " + v1alpha1.RetryAnnotation + ")"
		if rollback.GivesWay(back) {
			v.Message += " or creates another Rollback to the same state"
		}
	}
	return v
}

// awaits says in a rollback's conditions whether it waits for a person.
func awaits(owner productionObject, v pipeline.Verdict) {
	back, ok := owner.(*v1alpha1.Rollback)
	if !ok {
		return
	}
	state, reason, message := metav1.ConditionFalse, "NotWaiting", ""
	if v.State == v1alpha1.StepWaiting {
		state, reason, message = metav1.ConditionTrue, v.Reason, v.Message
	}
	status.Set(&back.Status.Conditions, v1alpha1.WaitingCondition, state, back.Generation, reason, message)
}

func committed(owner production.Owner) bool {
	return owner.Held() != nil && owner.Held().Point == v1alpha1.PointCommitted
}

func stepFailed(e v1alpha1.StepStatus) bool { return e.State == v1alpha1.StepFailed }

// Wakes lists what wakes the reconciler.
func (r *RollbackReconciler) Wakes() []Wake {
	kind := ownerOf("Rollback")
	return []Wake{
		{Of: &batchv1.Job{}, By: kind},
		{Of: &appsv1.Deployment{}, By: kind},
	}
}

// SetupWithManager registers the reconciler.
func (r *RollbackReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.Rollback{}, r.Wakes()).WithOptions(patience()).
		Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}
