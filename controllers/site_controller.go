// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
)

// SiteReconciler says whether the parts of a Site that a copy is made of are there, and
// what runs. It writes nothing but the Site's status.
type SiteReconciler struct{ Base }

// Reconcile looks at the live site once.
func (r *SiteReconciler) Reconcile(ctx context.Context, site *v1alpha1.Site) (ctrl.Result, error) {
	if !site.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := site.DeepCopy()
	verdict, err := r.look(ctx, site)
	return r.Settler.Settle(ctx, before, site, verdict, err, r.Clock.Now())
}

func (r *SiteReconciler) look(ctx context.Context, site *v1alpha1.Site) (pipeline.Verdict, error) {
	if loadProfile(site) == nil {
		return pipeline.Fail("ProfileUnknown", "spec.profile: %q is not a profile of this version of Gradus; there are %s",
			site.Spec.Profile, strings.Join(profile.Names(), ", ")), nil
	}
	if !zoneKnown(site.Spec.TimeZone) {
		return pipeline.Fail("TimeZoneUnknown", "spec.timeZone: %q is not an IANA time zone, such as Europe/Berlin",
			site.Spec.TimeZone), nil
	}
	live := &liveSite{reader: r.Live, site: site}
	workloads, err := live.workloads(ctx)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	database, err := live.database(ctx)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if _, err := live.services(ctx, database); err != nil {
		return pipeline.Verdict{}, err
	}
	if _, err := live.claims(ctx, database); err != nil {
		return pipeline.Verdict{}, err
	}
	if _, err := live.secrets(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	site.Status.Images = nil
	for _, w := range site.Spec.Workloads {
		if d := workloads[w.Name]; d != nil {
			site.Status.Images = append(site.Status.Images, imagesOf(w.Name, d.Spec.Template)...)
		}
	}
	site.Status.Images = site.Status.Images[:min(len(site.Status.Images), 64)] // what a status takes
	if err := r.progress(ctx, site); err != nil {
		return pipeline.Verdict{}, err
	}
	if len(live.missing) > 0 {
		site.Status.State = v1alpha1.SiteUnknown
		return environment.Lacks(live.missing).By(r.Clock.Now().Add(recheck)), nil
	}
	return pipeline.Pass("workloads, database, Services, claims and the Secrets of copies are there; " +
		"places of backups, passwords and the maintenance page are looked at when they are used"), nil
}

func zoneKnown(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil
}

// progress takes version and state from the plans and runs that concern the site.
func (r *SiteReconciler) progress(ctx context.Context, site *v1alpha1.Site) error {
	site.Status.State = v1alpha1.SiteServing
	if err := r.reviews(ctx, site); err != nil {
		return err
	}
	return r.runs(ctx, site)
}

// reviews takes what the newest stocktake found.
func (r *SiteReconciler) reviews(ctx context.Context, site *v1alpha1.Site) error {
	var plans v1alpha1.UpgradePlanList
	if err := r.List(ctx, &plans, client.InNamespace(site.Namespace)); err != nil {
		return err
	}
	for _, p := range plans.Items {
		inventory := p.Status.Inventory
		if p.Spec.SiteRef.Name != site.Name || inventory == nil {
			continue
		}
		if site.Status.Reviewed == nil || site.Status.Reviewed.Before(&inventory.Taken) {
			site.Status.Reviewed, site.Status.DatabaseVersion = inventory.Taken.DeepCopy(), inventory.DatabaseVersion
			site.Status.Version = p.Status.Summary.From
		}
	}
	return nil
}

// runs takes what go-lives and rollbacks have made of the site since.
func (r *SiteReconciler) runs(ctx context.Context, site *v1alpha1.Site) error {
	s := served{site: site, latest: site.Status.Reviewed}
	var runs v1alpha1.GoLiveList
	if err := r.List(ctx, &runs, client.InNamespace(site.Namespace)); err != nil {
		return err
	}
	for _, run := range runs.Items {
		if run.Spec.SiteRef.Name == site.Name {
			s.by(run.Status.Version, run.Status.Closed, run.Status.Opened, run.Status.Lease)
		}
	}
	var backs v1alpha1.RollbackList
	if err := r.List(ctx, &backs, client.InNamespace(site.Namespace)); err != nil {
		return err
	}
	for _, back := range backs.Items {
		if back.Spec.SiteRef.Name == site.Name {
			s.by(back.Status.Version, back.Status.Closed, back.Status.Opened, back.Status.Lease)
		}
	}
	return nil
}

// served follows which run was the last to open the site.
type served struct {
	site   *v1alpha1.Site
	latest *metav1.Time
}

func (s *served) by(version string, closed, opened *metav1.Time, lease *v1alpha1.HeldLease) {
	if closed != nil && opened == nil && lease != nil {
		s.site.Status.State = v1alpha1.SiteClosed
	}
	if opened != nil && version != "" && s.latest.Before(opened) {
		s.latest, s.site.Status.Version = opened, version
	}
}

func imagesOf(workload string, template corev1.PodTemplateSpec) []v1alpha1.RunningImage {
	var out []v1alpha1.RunningImage
	for _, c := range template.Spec.Containers {
		out = append(out, v1alpha1.RunningImage{Workload: workload, Container: c.Name, Image: c.Image})
	}
	slices.SortFunc(out, func(a, b v1alpha1.RunningImage) int { return strings.Compare(a.Container, b.Container) })
	return out
}

// Wakes lists what wakes the reconciler.
func (r *SiteReconciler) Wakes() []Wake {
	return []Wake{
		{Of: &v1alpha1.UpgradePlan{}, By: handler.EnqueueRequestsFromMapFunc(siteOf)},
		{Of: &v1alpha1.GoLive{}, By: handler.EnqueueRequestsFromMapFunc(siteOf)},
		{Of: &v1alpha1.Rollback{}, By: handler.EnqueueRequestsFromMapFunc(siteOf)},
	}
}

// SetupWithManager registers the reconciler.
func (r *SiteReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.Site{}, r.Wakes()).Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// siteOf maps a plan or go-live to its Site.
func siteOf(_ context.Context, obj client.Object) []reconcile.Request {
	var name string
	switch o := obj.(type) {
	case *v1alpha1.UpgradePlan:
		name = o.Spec.SiteRef.Name
	case *v1alpha1.GoLive:
		name = o.Spec.SiteRef.Name
	case *v1alpha1.Rollback:
		name = o.Spec.SiteRef.Name
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: obj.GetNamespace(), Name: name}}}
}
