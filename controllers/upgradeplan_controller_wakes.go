// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Wakes lists what wakes the reconciler.
func (r *UpgradePlanReconciler) Wakes() []Wake {
	kind := ownerOf("UpgradePlan")
	return []Wake{
		{Of: &batchv1.Job{}, By: kind},
		{Of: &v1alpha1.SiteBackup{}, By: kind},
		{Of: &v1alpha1.TrialUpgrade{}, By: kind},
		{Of: &v1alpha1.StagingEnvironment{}, By: kind},
		{Of: &v1alpha1.GoLive{}, By: kind},
		{Of: &v1alpha1.Rollback{}, By: handler.EnqueueRequestsFromMapFunc(r.plansOfRollback)},
		{Of: &v1alpha1.UpgradeApproval{}, By: handler.EnqueueRequestsFromMapFunc(planOfApproval)},
		{Of: &v1alpha1.Site{}, By: handler.EnqueueRequestsFromMapFunc(r.plansOfSite)},
		{Of: &v1alpha1.UpgradePlan{}, By: handler.EnqueueRequestsFromMapFunc(r.plansBeside),
			When: []builder.WatchesOption{builder.WithPredicates(ended)}},
	}
}

// SetupWithManager registers the reconciler.
func (r *UpgradePlanReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.UpgradePlan{}, r.Wakes()).Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

func planOfApproval(_ context.Context, obj client.Object) []reconcile.Request {
	approval, ok := obj.(*v1alpha1.UpgradeApproval)
	if !ok || approval.Spec.PlanRef == nil {
		return nil
	}
	key := types.NamespacedName{Namespace: obj.GetNamespace(), Name: approval.Spec.PlanRef.Name}
	return []reconcile.Request{{NamespacedName: key}}
}

// plansOfRollback wakes the plans of the site that a rollback concerns.
func (r *UpgradePlanReconciler) plansOfRollback(ctx context.Context, obj client.Object) []reconcile.Request {
	back, ok := obj.(*v1alpha1.Rollback)
	if !ok {
		return nil
	}
	site := v1alpha1.Site{ObjectMeta: metav1.ObjectMeta{Namespace: back.Namespace, Name: back.Spec.SiteRef.Name}}
	return r.plansOfSite(ctx, &site)
}

// plansBeside wakes the plans of the site that a plan was for.
func (r *UpgradePlanReconciler) plansBeside(ctx context.Context, obj client.Object) []reconcile.Request {
	p, ok := obj.(*v1alpha1.UpgradePlan)
	if !ok {
		return nil
	}
	site := v1alpha1.Site{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Spec.SiteRef.Name}}
	return r.plansOfSite(ctx, &site)
}

// ended lets those events through by which a plan leaves its site to the next.
var ended = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return isComplete(e.ObjectNew) && !isComplete(e.ObjectOld) || siteNamed(e.ObjectNew) != siteNamed(e.ObjectOld)
	},
}

func siteNamed(obj client.Object) string {
	if p, ok := obj.(*v1alpha1.UpgradePlan); ok {
		return p.Spec.SiteRef.Name
	}
	return ""
}

func isComplete(obj client.Object) bool {
	p, ok := obj.(*v1alpha1.UpgradePlan)
	return ok && meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.CompleteCondition)
}

func (r *UpgradePlanReconciler) plansOfSite(ctx context.Context, site client.Object) []reconcile.Request {
	var plans v1alpha1.UpgradePlanList
	if err := r.List(ctx, &plans, client.InNamespace(site.GetNamespace())); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for _, p := range plans.Items {
		if p.Spec.SiteRef.Name == site.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&p)})
		}
	}
	return requests
}
