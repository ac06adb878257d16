// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/trial"
)

// TrialUpgradeReconciler rehearses upgrades on throw-away copies.
type TrialUpgradeReconciler struct{ Base }

// Reconcile walks the trial to its next resting place.
func (r *TrialUpgradeReconciler) Reconcile(ctx context.Context, t *v1alpha1.TrialUpgrade) (ctrl.Result, error) {
	if !t.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, t)
	}
	if added, err := ensureFinalizer(ctx, r.Client, t); added || err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	before := t.DeepCopy()
	if t.Status.Steps == nil {
		t.Status.Steps = pipeline.Ledger(trial.Steps)
	}
	view := trial.View{Trial: t, Now: now}
	err := r.observe(ctx, &view)
	var verdict pipeline.Verdict
	if err == nil {
		trial.Reopen(view)
		verdict, err = pipeline.Run(ctx, r.Engine, t, trial.Steps, view, &t.Status.Steps)
	}
	return r.Settler.Settle(ctx, before, t, trial.Conclude(t, verdict), err, now)
}

// observe reads the backup and the trial's copies, and once they are removed
// it searches the cluster for what they left.
func (r *TrialUpgradeReconciler) observe(ctx context.Context, view *trial.View) error {
	t := view.Trial
	var backup v1alpha1.SiteBackup
	err := r.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: t.Spec.BackupRef.Name}, &backup)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get SiteBackup %s: %w", t.Spec.BackupRef.Name, err)
	}
	if err == nil {
		view.Backup = &backup
	}
	if view.Environments, err = r.environmentsOf(ctx, t); err != nil {
		return err
	}
	if !trial.TornDown(t) {
		return nil
	}
	view.Looked = true
	view.Remains, err = r.remains(ctx, t)
	return err
}

// remains names the namespaces and aliases of snapshots that were made for a
// copy of this trial and still exist, read past the cache.
func (r *TrialUpgradeReconciler) remains(ctx context.Context, t *v1alpha1.TrialUpgrade) ([]string, error) {
	owners := map[string]bool{}
	for _, name := range trial.EnvironmentNames(t) {
		owners[t.Namespace+"/"+name] = true
	}
	var namespaces corev1.NamespaceList
	var aliases snapshotv1.VolumeSnapshotContentList
	made := client.MatchingLabels{v1alpha1.OwnerKindLabel: "StagingEnvironment"}
	if err := r.Live.List(ctx, &namespaces, made); err != nil {
		return nil, fmt.Errorf("list Namespaces of copies: %w", err)
	}
	if err := r.Live.List(ctx, &aliases, made); err != nil {
		return nil, fmt.Errorf("list VolumeSnapshotContents of copies: %w", err)
	}
	var left []string
	for _, ns := range namespaces.Items {
		if owners[ns.Annotations[v1alpha1.OwnerAnnotation]] {
			left = append(left, "Namespace "+ns.Name)
		}
	}
	for _, alias := range aliases.Items {
		if owners[alias.Annotations[v1alpha1.OwnerAnnotation]] {
			left = append(left, "VolumeSnapshotContent "+alias.Name)
		}
	}
	return left, nil
}

// finalize takes the trial's copies away; each environment takes what it made.
func (r *TrialUpgradeReconciler) finalize(ctx context.Context, t *v1alpha1.TrialUpgrade) error {
	left, err := r.removeCopies(ctx, t)
	if err != nil || left > 0 {
		return err // the watch on environments brings us back
	}
	return dropFinalizer(ctx, r.Client, t)
}

// removeCopies deletes, by UID, the environments that an object of ours made,
// and reports how many still exist.
func (b Base) removeCopies(ctx context.Context, owner client.Object) (int, error) {
	var copies v1alpha1.StagingEnvironmentList
	mine := client.MatchingLabels{v1alpha1.OwnerUIDLabel: string(owner.GetUID())}
	if err := b.Live.List(ctx, &copies, client.InNamespace(owner.GetNamespace()), mine); err != nil {
		return 0, fmt.Errorf("list StagingEnvironments of %s: %w", owner.GetName(), err)
	}
	for i := range copies.Items {
		env := &copies.Items[i]
		if env.DeletionTimestamp != nil {
			continue
		}
		uid := env.UID
		background := client.PropagationPolicy(metav1.DeletePropagationBackground)
		err := b.Delete(ctx, env, client.Preconditions{UID: &uid}, background)
		if client.IgnoreNotFound(err) != nil {
			return 0, fmt.Errorf("delete StagingEnvironment %s: %w", env.Name, err)
		}
	}
	return len(copies.Items), nil
}

// Wakes lists what wakes the reconciler.
func (r *TrialUpgradeReconciler) Wakes() []Wake {
	return []Wake{
		{Of: &v1alpha1.StagingEnvironment{}, By: ownerOf("TrialUpgrade")},
		{Of: &v1alpha1.SiteBackup{}, By: handler.EnqueueRequestsFromMapFunc(r.ofBackup)},
	}
}

// SetupWithManager registers the reconciler.
func (r *TrialUpgradeReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.TrialUpgrade{}, r.Wakes()).Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// ofBackup wakes the trials that wait for a backup.
func (r *TrialUpgradeReconciler) ofBackup(ctx context.Context, backup client.Object) []reconcile.Request {
	var trials v1alpha1.TrialUpgradeList
	if err := r.List(ctx, &trials, client.InNamespace(backup.GetNamespace())); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range trials.Items {
		t := &trials.Items[i]
		over := meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ReadyCondition)
		if t.Spec.BackupRef.Name == backup.GetName() && !over {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(t)})
		}
	}
	return requests
}
