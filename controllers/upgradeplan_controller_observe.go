// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/plan"
)

// observe reads what the steps decide from.
func (r *UpgradePlanReconciler) observe(
	ctx context.Context, p *v1alpha1.UpgradePlan, now time.Time,
) (plan.View, error) {
	view := plan.View{Plan: p, Install: r.Install, Now: now, Location: time.UTC}
	// First what the plan has made: whatever becomes of the Site, an ordered
	// go-live is never forgotten.
	if err := r.observeChildren(ctx, &view); err != nil {
		return view, err
	}
	site, err := getSite(ctx, r.Client, p.Namespace, p.Spec.SiteRef.Name)
	if err != nil || site == nil {
		return view, err
	}
	view.Site, view.Profile = site, loadProfile(site)
	if view.Location, err = time.LoadLocation(site.Spec.TimeZone); err != nil {
		view.Location = time.UTC
		view.Missing = append(view.Missing, fmt.Sprintf("a time zone named %q (Site %s, spec.timeZone)",
			site.Spec.TimeZone, site.Name))
	}
	if view.Holder, err = r.hold(ctx, site, p); err != nil {
		return view, err
	}
	if err := r.observeSite(ctx, &view); err != nil {
		return view, err
	}
	channels, err := r.Teller.Channels(ctx)
	if err != nil {
		return view, err
	}
	view.Channels = slices.Sorted(maps.Keys(channels))
	return view, nil
}

// observeSite reads what is there of the site.
func (r *UpgradePlanReconciler) observeSite(ctx context.Context, view *plan.View) (err error) {
	live := &liveSite{reader: r.Live, site: view.Site}
	if view.Workloads, err = live.workloads(ctx); err != nil {
		return err
	}
	if view.Database, err = live.database(ctx); err != nil {
		return err
	}
	if _, err = live.services(ctx, view.Database); err != nil {
		return err
	}
	if _, err = live.claims(ctx, view.Database); err != nil {
		return err
	}
	missing := live.missing
	if !plan.Copied(view.Plan) {
		missing = lacks(view.Site, missing)
	}
	view.Missing = append(view.Missing, missing...)
	if len(view.Plan.Spec.Infrastructure.Scale) > 0 {
		if view.Autoscalers, err = live.autoscalers(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lacks joins what is missing of a site with what the Site itself says: it alone
// looks for the Secrets of copies, once and not in every look of every plan.
func lacks(site *v1alpha1.Site, missing []string) []string {
	ready := meta.FindStatusCondition(site.Status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil || ready.Reason != v1alpha1.SiteNotReadyReason || ready.ObservedGeneration != site.Generation {
		return missing
	}
	said := environment.Lacking(ready.Message)
	more := slices.DeleteFunc(missing, func(m string) bool { return strings.Contains(said, m) })
	return append([]string{said}, more...)
}

// observeChildren reads approvals and what the plan has made.
func (r *UpgradePlanReconciler) observeChildren(ctx context.Context, view *plan.View) error {
	p := view.Plan
	var approvals v1alpha1.UpgradeApprovalList
	if err := r.List(ctx, &approvals, client.InNamespace(p.Namespace)); err != nil {
		return fmt.Errorf("list UpgradeApprovals: %w", err)
	}
	view.Approvals = approvals.Items
	var err error
	if view.Backup, err = child[v1alpha1.SiteBackup](ctx, r.Client, p.Namespace, p.Status.Backup); err != nil {
		return err
	}
	if view.Trial, err = child[v1alpha1.TrialUpgrade](ctx, r.Client, p.Namespace, p.Status.Trial); err != nil {
		return err
	}
	if view.Staging, err = child[v1alpha1.StagingEnvironment](ctx, r.Client, p.Namespace, p.Status.Staging); err != nil {
		return err
	}
	if view.GoLive, err = r.goLiveOf(ctx, p); err != nil {
		return err
	}
	view.Rollback, err = r.wayBack(ctx, p, view.GoLive)
	return err
}
