// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/plan"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// What a run puts beside a site, its watchdog and its holding page, does not
// die with the run: a run that is lost while the site is closed leaves both. So
// every end of a run removes them.

// remove deletes children of a run, by UID.
func (b Base) remove(ctx context.Context, owner productionObject, children []v1alpha1.ChildRef) error {
	steps := []pipeline.Step[[]v1alpha1.ChildRef]{{
		Name:   "Remove",
		Remove: func(children []v1alpha1.ChildRef, _ pipeline.At) []v1alpha1.ChildRef { return children },
		Judge: func([]v1alpha1.ChildRef, pipeline.At, pipeline.Seen) pipeline.Verdict {
			return pipeline.Pass("gone")
		},
	}}
	ledger := pipeline.Ledger(steps)
	_, err := pipeline.Run(ctx, b.Engine, owner, steps, children, &ledger)
	return err
}

// late removes what stands beside the site of a run that is over: a process hung, and its
// request was done when another one had removed everything. A page to which the run has led
// users stays: another run has taken the site over with it. Settled is how the status was kept.
func (b Base) late(ctx context.Context, owner productionObject, over bool, settled error) error {
	if !over || settled != nil {
		return settled
	}
	if pageUp(owner) {
		return nil
	}
	var left appsv1.DeploymentList
	mine := client.MatchingLabels{v1alpha1.OwnerUIDLabel: string(owner.GetUID())}
	err := b.List(ctx, &left, client.InNamespace(owner.GetNamespace()), mine)
	if err != nil || len(left.Items) == 0 {
		return err
	}
	children := closing.Beside(owner)
	for i := range children {
		children[i].UID = "" // that of the one which is gone
	}
	return b.remove(ctx, owner, children)
}

// leave ends a deleted run that does not hold the site. While users still see
// its holding page, because a rollback took the closed site over, it stays.
func (b Base) leave(
	ctx context.Context, before, owner productionObject, grip production.Grip,
) (ctrl.Result, error) {
	for _, c := range pages(owner) {
		now, err := production.Observe(ctx, b.Live, owner.GetNamespace(), c)
		if err != nil {
			return ctrl.Result{}, err
		}
		if production.StillOurs(c, now) {
			by := "by " + grip.Holder
			if grip.Holder == "" {
				by = "by nobody; where no Rollback takes it again, " + another(owner)
			}
			return b.awakeSettled(ctx, before, owner, pipeline.Await("HoldingPageInUse", "deleted, and users still see its "+
				"holding page: it goes when Service %s leads elsewhere; the site is held %s", c.Target.Name, by).
				By(b.Clock.Now().Add(production.DefaultRenew)))
		}
	}
	if err := b.remove(ctx, owner, closing.Beside(owner)); err != nil {
		return ctrl.Result{}, err
	}
	return b.depart(ctx, before, owner)
}

// depart lets a deleted run go that holds nothing, unless a plan has still to see how
// it ended: without its go-live the plan would find that gone, and the site live;
// without the way back it would take the site for upgraded.
func (b Base) depart(ctx context.Context, before, owner productionObject) (ctrl.Result, error) {
	var plans v1alpha1.UpgradePlanList
	if err := b.List(ctx, &plans, client.InNamespace(owner.GetNamespace())); err != nil {
		return ctrl.Result{}, fmt.Errorf("list UpgradePlans: %w", err)
	}
	expects, err := b.expecting(ctx, owner)
	if err != nil {
		return ctrl.Result{}, err
	}
	for i := range plans.Items {
		if p := &plans.Items[i]; p.DeletionTimestamp.IsZero() && expects(p) {
			return b.awakeSettled(ctx, before, owner, pipeline.Pass("over, and deleted: it goes when UpgradePlan %s has seen "+
				"how it ended", p.Name).By(b.Clock.Now().Add(production.DefaultRenew)))
		}
	}
	owner.SetResourceVersion(before.GetResourceVersion())
	return ctrl.Result{}, dropFinalizer(ctx, b.Client, owner)
}

// expecting gives what says whether a plan has still to see how a run ended.
func (b Base) expecting(ctx context.Context, owner productionObject) (func(*v1alpha1.UpgradePlan) bool, error) {
	back, ok := owner.(*v1alpha1.Rollback)
	if !ok {
		run, _ := owner.(*v1alpha1.GoLive)
		return func(p *v1alpha1.UpgradePlan) bool { return plan.Expects(p, run) }, nil
	}
	name := rollback.GoLiveOf(back)
	run, err := child[v1alpha1.GoLive](ctx, b.Live, back.Namespace, name)
	run = orGone(run, back.Namespace, name, back.Spec.SiteRef)
	return func(p *v1alpha1.UpgradePlan) bool { return plan.ExpectsWayBack(p, back, run) }, err
}

// namespaceEnds says whether the namespace of a site is being deleted: then no site is
// left to put back, and rights and leases go before those who need them.
func (b Base) namespaceEnds(ctx context.Context, name string) (bool, error) {
	var namespace corev1.Namespace
	switch err := b.Live.Get(ctx, client.ObjectKey{Name: name}, &namespace); {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("get Namespace %s: %w", name, err)
	}
	return !namespace.DeletionTimestamp.IsZero(), nil
}
