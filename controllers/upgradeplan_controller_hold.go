// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// letGo ends a plan that is deleted. While its go-live holds the site it stays:
// who looks for the reason why the site is closed must find it.
func (r *UpgradePlanReconciler) letGo(ctx context.Context, p *v1alpha1.UpgradePlan) (ctrl.Result, error) {
	run, err := r.goLiveOf(ctx, p)
	if err != nil {
		return ctrl.Result{}, err
	}
	holder, err := r.holderOf(ctx, p, run)
	if err != nil {
		return ctrl.Result{}, err
	}
	if holder != "" {
		before := p.DeepCopy()
		wait := pipeline.Wait("DeletionWaits", "deleted while %s holds the site; it ends first", holder)
		return r.Settler.Settle(ctx, before, p, wait, nil, r.Clock.Now())
	}
	if err := r.release(ctx, p); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, dropFinalizer(ctx, r.Client, p)
}

// holderOf says which run of a plan holds the site: its go-live, or the way back
// from that.
func (r *UpgradePlanReconciler) holderOf(
	ctx context.Context, p *v1alpha1.UpgradePlan, run *v1alpha1.GoLive,
) (string, error) {
	if run != nil && run.Status.Lease != nil {
		return "go-live " + run.Name, nil
	}
	back, err := r.wayBack(ctx, p, run)
	if err != nil || back == nil || back.Status.Lease == nil {
		return "", err
	}
	return "Rollback " + back.Name, nil
}

// hold takes the site for this plan if nobody holds it, by compare-and-swap on
// the Site's status, and says who does.
func (r *UpgradePlanReconciler) hold(
	ctx context.Context, site *v1alpha1.Site, p *v1alpha1.UpgradePlan,
) (string, error) {
	if site.Status.Plan == p.Name {
		return p.Name, nil
	}
	if site.Status.Plan != "" {
		holder, err := child[v1alpha1.UpgradePlan](ctx, r.Client, site.Namespace, site.Status.Plan)
		if err != nil {
			return "", err
		}
		// A plan whose siteRef was put right holds another Site now.
		if holder != nil && !isComplete(holder) && holder.Spec.SiteRef == p.Spec.SiteRef {
			return holder.Name, nil
		}
	}
	return p.Name, r.setHolder(ctx, site, p.Name)
}

// release lets go of the site.
func (r *UpgradePlanReconciler) release(ctx context.Context, p *v1alpha1.UpgradePlan) error {
	site, err := getSite(ctx, r.Client, p.Namespace, p.Spec.SiteRef.Name)
	if err != nil || site == nil || site.Status.Plan != p.Name {
		return err
	}
	return r.setHolder(ctx, site, "")
}

func (r *UpgradePlanReconciler) setHolder(ctx context.Context, site *v1alpha1.Site, name string) error {
	before := site.DeepCopy()
	site.Status.Plan = name
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Status().Patch(ctx, site, patch); err != nil {
		return fmt.Errorf("hold Site %s: %w", site.Name, err)
	}
	return nil
}
