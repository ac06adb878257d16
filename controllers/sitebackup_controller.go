// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/backup"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
)

// SiteBackupReconciler makes backups of sites and proves them.
type SiteBackupReconciler struct{ Base }

// Reconcile walks the backup to its next resting place. One that is over is
// left alone: nothing of it can change any more.
func (r *SiteBackupReconciler) Reconcile(ctx context.Context, b *v1alpha1.SiteBackup) (ctrl.Result, error) {
	if !b.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, b)
	}
	if meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ReadyCondition) {
		return ctrl.Result{}, dropFinalizer(ctx, r.Client, b)
	}
	if added, err := ensureFinalizer(ctx, r.Client, b); added || err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	before := b.DeepCopy()
	if b.Status.Steps == nil {
		b.Status.Steps = pipeline.Ledger(backup.Steps)
	}
	view, err := r.observe(ctx, b)
	var verdict pipeline.Verdict
	if err == nil {
		verdict, err = r.walk(ctx, view, now)
	}
	return r.Settler.Settle(ctx, before, b, verdict, err, now)
}

// walk goes through the ledger, and writes the verdict once the walk is over.
func (r *SiteBackupReconciler) walk(ctx context.Context, view backup.View, now time.Time) (pipeline.Verdict, error) {
	b := view.Backup
	if lost, ok := backup.Lost(view); ok && backup.Begun(b) {
		return lost.By(now.Add(recheck)), nil
	}
	backup.Reopen(view)
	// What was proven was proven of the site as it was: it is not judged by a later one.
	judged := backup.Tested(b) && meta.FindStatusCondition(b.Status.Conditions, v1alpha1.VerifiedCondition) != nil
	verdict, err := pipeline.Run(ctx, r.Engine, b, backup.Steps, view, &b.Status.Steps)
	if err != nil {
		return verdict, err
	}
	switch {
	case backup.Tested(b):
		if !judged {
			proven, reason, message := backup.Proof(view.Site, b)
			verified := metav1.ConditionFalse
			if proven {
				verified = metav1.ConditionTrue
			}
			status.Set(&b.Status.Conditions, v1alpha1.VerifiedCondition, verified, b.Generation, reason, message)
		}
		if verdict.State == v1alpha1.StepPassed {
			verdict.Reason, verdict.Message = "BackupTaken", fmt.Sprintf("%d copies", len(b.Status.Copies))
		}
	case verdict.State == v1alpha1.StepFailed:
		status.Set(&b.Status.Conditions, v1alpha1.VerifiedCondition, metav1.ConditionFalse, b.Generation,
			verdict.Reason, verdict.Message)
	default:
		meta.RemoveStatusCondition(&b.Status.Conditions, v1alpha1.VerifiedCondition)
	}
	// What a person mends on the live site is not watched.
	if !backup.Begun(b) && verdict.Until.IsZero() {
		verdict = verdict.By(now.Add(recheck))
	}
	return verdict, nil
}

// finalize takes away the copy in which snapshots are being proven. Snapshots
// and dumps stay.
func (r *SiteBackupReconciler) finalize(ctx context.Context, b *v1alpha1.SiteBackup) error {
	left, err := r.removeCopies(ctx, b)
	if err != nil || left > 0 {
		return err // the watch on environments brings us back
	}
	return dropFinalizer(ctx, r.Client, b)
}

// Wakes lists what wakes the reconciler.
func (r *SiteBackupReconciler) Wakes() []Wake {
	kind := ownerOf("SiteBackup")
	return []Wake{
		{Of: &batchv1.Job{}, By: kind},
		{Of: &snapshotv1.VolumeSnapshot{}, By: kind},
		{Of: &v1alpha1.StagingEnvironment{}, By: kind},
		{Of: &v1alpha1.Site{}, By: handler.EnqueueRequestsFromMapFunc(r.ofSite)},
	}
}

// SetupWithManager registers the reconciler.
func (r *SiteBackupReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.SiteBackup{}, r.Wakes()).Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}

// ofSite wakes the backups of a Site that appeared or was mended.
func (r *SiteBackupReconciler) ofSite(ctx context.Context, site client.Object) []reconcile.Request {
	var backups v1alpha1.SiteBackupList
	if err := r.List(ctx, &backups, client.InNamespace(site.GetNamespace())); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range backups.Items {
		b := &backups.Items[i]
		over := meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ReadyCondition)
		if b.Spec.SiteRef.Name == site.GetName() && !over {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(b)})
		}
	}
	return requests
}
