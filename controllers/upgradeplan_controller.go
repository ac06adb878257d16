// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/notify"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/plan"
)

// UpgradePlanReconciler walks a plan through its 18 steps.
type UpgradePlanReconciler struct{ Base }

// Reconcile walks the plan to its next resting place.
func (r *UpgradePlanReconciler) Reconcile(ctx context.Context, p *v1alpha1.UpgradePlan) (ctrl.Result, error) {
	if !p.DeletionTimestamp.IsZero() {
		return r.letGo(ctx, p)
	}
	if isComplete(p) {
		return ctrl.Result{}, r.release(ctx, p)
	}
	if added, err := ensureFinalizer(ctx, r.Client, p); added || err != nil {
		return ctrl.Result{}, err
	}
	before, now := p.DeepCopy(), r.Clock.Now()
	if p.Status.Steps == nil {
		p.Status.Steps = pipeline.Ledger(plan.Steps)
	}
	view, err := r.observe(ctx, p, now)
	var verdict pipeline.Verdict
	if err == nil {
		p.Status.Gates = plan.Gates(view)
		verdict, err = r.walk(ctx, p, view)
	}
	verdict = plan.Summarise(view, verdict, err)
	if err == nil {
		p.Status.Held = plan.Held(view.GoLive, view.Rollback)
	}
	result, err := r.Settler.Settle(ctx, before, p, verdict, err, now)
	if err == nil {
		r.tell(ctx, before, p, now)
	}
	return result, err
}

// tell gives what changed to the plan's channels. What cannot be delivered is
// an Event: a plan does not stop because a chat room is down.
func (r *UpgradePlanReconciler) tell(ctx context.Context, before, after *v1alpha1.UpgradePlan, now time.Time) {
	messages := notify.Messages(before, after, now)
	if err := r.Teller.Tell(ctx, after.Spec.Stakeholders.Channels, messages); err != nil {
		r.Settler.Events.Warn(after, "ChannelFailed", err.Error())
	}
}

// walk runs the steps, or ends a plan that a person aborted.
func (r *UpgradePlanReconciler) walk(
	ctx context.Context, p *v1alpha1.UpgradePlan, view plan.View,
) (pipeline.Verdict, error) {
	if why := p.Annotations[v1alpha1.AbortAnnotation]; why != "" {
		return plan.Abort(view, why), nil
	}
	if verdict, back := plan.RolledBack(view); back {
		return verdict, nil
	}
	if wait, lost := plan.Lost(view); lost {
		return wait.By(r.Clock.Now().Add(recheck)), r.follow(ctx, p, view)
	}
	verdict, err := pipeline.Run(ctx, r.Engine, p, plan.Steps, view, &p.Status.Steps)
	if verdict.State == v1alpha1.StepWaiting && verdict.Until.IsZero() && !isTold(verdict.Reason) {
		// What is missing may be a Secret or a claim, which Gradus may not watch.
		verdict = verdict.By(r.Clock.Now().Add(recheck))
	}
	// What a step of this run settled may be what a gate waits for.
	p.Status.Gates = plan.Gates(view)
	return verdict, err
}

// follow looks after a go-live that is under way while the plan waits for its site.
func (r *UpgradePlanReconciler) follow(ctx context.Context, p *v1alpha1.UpgradePlan, view plan.View) error {
	steps, entry := plan.Followed(view)
	if entry == nil {
		return nil
	}
	ledger := []v1alpha1.StepStatus{*entry}
	_, err := pipeline.Run(ctx, r.Engine, p, steps, view, &ledger)
	*entry = ledger[0]
	return err
}

// isTold says whether a watch tells when a wait is over: of approvals, and of
// the plan that holds the site. Plans may wait so for weeks, and many of them.
func isTold(reason string) bool {
	return reason == v1alpha1.WaitingForApprovalReason || reason == v1alpha1.SiteBusyReason
}

// child reads one of the plan's children; nil when it has no name yet or is gone.
func child[T any, P interface {
	*T
	client.Object
}](ctx context.Context, c client.Reader, namespace, name string) (P, error) {
	if name == "" {
		return nil, nil
	}
	obj := P(new(T))
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get %T %s: %w", obj, name, err)
	}
	return obj, nil
}

// goLiveOf finds the go-live that the ledger knows of, or should know of. A retry orders
// another one, once the last has ended and holds nothing.
func (r *UpgradePlanReconciler) goLiveOf(ctx context.Context, p *v1alpha1.UpgradePlan) (*v1alpha1.GoLive, error) {
	again := false
	for i := range p.Status.Steps {
		e := &p.Status.Steps[i]
		if e.Name != v1alpha1.StepGoLive {
			continue
		}
		if err := r.recollect(ctx, p, e); err != nil {
			return nil, err
		}
		again = e.Attempt > 1 && len(e.Children) == 0
		for _, c := range e.Children {
			p.Status.GoLive = c.Name
		}
	}
	run, err := child[v1alpha1.GoLive](ctx, r.Client, p.Namespace, p.Status.GoLive)
	if err == nil && run == nil { // the cache may not have what was ordered just now
		run, err = child[v1alpha1.GoLive](ctx, r.Live, p.Namespace, p.Status.GoLive)
	}
	if err != nil {
		return nil, err
	}
	if again && plan.Freed(run) {
		p.Status.GoLive = ""
		return nil, nil
	}
	return run, nil
}

// recollect finds what step GoLive has ordered where the status that should have told was lost.
func (r *UpgradePlanReconciler) recollect(ctx context.Context, p *v1alpha1.UpgradePlan, e *v1alpha1.StepStatus) error {
	next, lost := plan.Unrecorded(*e)
	if !lost {
		return nil
	}
	reader := client.Reader(r.Client)
	if e.State == v1alpha1.StepFailed { // rare, and an abort or a deletion goes by it
		reader = r.Live
	}
	run, err := child[v1alpha1.GoLive](ctx, reader, p.Namespace, plan.OrderName(p, next))
	if err != nil || run == nil || run.Labels[v1alpha1.OwnerUIDLabel] != string(p.UID) {
		return err
	}
	next.Children = []v1alpha1.ChildRef{{Kind: "GoLive", Namespace: run.Namespace, Name: run.Name, UID: run.UID}}
	*e = next
	return nil
}

// orGone gives a go-live, or what is known of one that is gone.
func orGone(run *v1alpha1.GoLive, namespace, name string, site v1alpha1.LocalRef) *v1alpha1.GoLive {
	if run == nil {
		run = &v1alpha1.GoLive{Spec: v1alpha1.GoLiveSpec{SiteRef: site}}
		run.Namespace, run.Name = namespace, name
	}
	return run
}

// wayBack finds the rollback from the plan's go-live, by its name where that is gone.
func (r *UpgradePlanReconciler) wayBack(
	ctx context.Context, p *v1alpha1.UpgradePlan, run *v1alpha1.GoLive,
) (*v1alpha1.Rollback, error) {
	if run == nil && p.Status.GoLive == "" {
		return nil, nil
	}
	run = orGone(run, p.Namespace, p.Status.GoLive, p.Spec.SiteRef)
	var backs v1alpha1.RollbackList
	if err := r.List(ctx, &backs, client.InNamespace(run.Namespace)); err != nil {
		return nil, fmt.Errorf("list Rollbacks: %w", err)
	}
	return plan.WayBack(run, backs.Items), nil
}
