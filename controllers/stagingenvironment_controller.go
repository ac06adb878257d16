// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// recheck is how soon to look again for something that a person must bring:
// Gradus may not watch Secrets and claims everywhere.
const recheck = 15 * time.Second

// StagingEnvironmentReconciler makes isolated copies and takes them away.
type StagingEnvironmentReconciler struct{ Base }

// Reconcile walks the environment to its next resting place.
func (r *StagingEnvironmentReconciler) Reconcile(
	ctx context.Context, env *v1alpha1.StagingEnvironment,
) (ctrl.Result, error) {
	if !env.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.finalize(ctx, env)
	}
	if added, err := ensureFinalizer(ctx, r.Client, env); added || err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	if env.Spec.Expires != nil && now.After(env.Spec.Expires.Time) {
		uid := env.UID
		return ctrl.Result{}, client.IgnoreNotFound(r.Delete(ctx, env, client.Preconditions{UID: &uid}))
	}
	before := env.DeepCopy()
	if env.Status.Steps == nil {
		env.Status.Steps = pipeline.Ledger(environment.Steps)
	}
	view, err := r.observe(ctx, env)
	var verdict pipeline.Verdict
	if err == nil {
		verdict, err = r.walk(ctx, env, view)
	}
	return r.Settler.Settle(ctx, before, env, r.withExpiry(env, verdict), err, now)
}

// walk runs the steps. What was there when the copy began may be gone by now:
// then nothing is walked until it is back.
func (r *StagingEnvironmentReconciler) walk(
	ctx context.Context, env *v1alpha1.StagingEnvironment, view environment.View,
) (pipeline.Verdict, error) {
	if wait, whole := environment.Whole(view); !whole && env.Status.Steps[0].State == v1alpha1.StepPassed &&
		!pipeline.Over(env.Status.Steps) {
		return wait, nil
	}
	return pipeline.Run(ctx, r.Engine, env, environment.Steps, view, &env.Status.Steps)
}

// withExpiry wakes us when the copy's time is over.
func (r *StagingEnvironmentReconciler) withExpiry(
	env *v1alpha1.StagingEnvironment, v pipeline.Verdict,
) pipeline.Verdict {
	if v.State == v1alpha1.StepPassed {
		v.Reason, v.Message = "Serving", "the copy stands"
	}
	if v.State == v1alpha1.StepWaiting && v.Until.IsZero() {
		v = v.By(r.Clock.Now().Add(recheck))
	}
	if e := env.Spec.Expires; e != nil && (v.Until.IsZero() || e.Time.Before(v.Until)) {
		v = v.By(e.Time)
	}
	return v
}

// finalize takes the copy away: the namespace with all in it, and then the
// alias contents, which no namespace deletion reaches. It reads nothing but
// the environment itself.
func (r *StagingEnvironmentReconciler) finalize(ctx context.Context, env *v1alpha1.StagingEnvironment) error {
	mine := client.MatchingLabels{v1alpha1.OwnerUIDLabel: string(env.UID)}
	// By label, not by name: an older version of Gradus may have named it otherwise.
	var namespaces corev1.NamespaceList
	if err := r.Live.List(ctx, &namespaces, mine); err != nil {
		return fmt.Errorf("list Namespaces of %s: %w", env.Name, err)
	}
	for i := range namespaces.Items {
		ns := &namespaces.Items[i]
		if !ns.DeletionTimestamp.IsZero() {
			continue
		}
		uid := ns.UID
		if err := r.Delete(ctx, ns, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete Namespace %s: %w", ns.Name, err)
		}
	}
	if len(namespaces.Items) > 0 {
		return nil // the watch on namespaces brings us back
	}
	var aliases snapshotv1.VolumeSnapshotContentList
	if err := r.Live.List(ctx, &aliases, mine); err != nil {
		return fmt.Errorf("list alias contents: %w", err)
	}
	for i := range aliases.Items {
		alias := &aliases.Items[i]
		if !alias.DeletionTimestamp.IsZero() {
			continue
		}
		uid := alias.UID
		if err := r.Delete(ctx, alias, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete VolumeSnapshotContent %s: %w", alias.Name, err)
		}
	}
	if len(aliases.Items) > 0 {
		return nil // the watch on contents brings us back
	}
	return dropFinalizer(ctx, r.Client, env)
}

// Wakes lists what wakes the reconciler.
func (r *StagingEnvironmentReconciler) Wakes() []Wake {
	kind := ownerOf("StagingEnvironment")
	return []Wake{
		{Of: &batchv1.Job{}, By: kind},
		{Of: &corev1.Namespace{}, By: kind},
		{Of: &corev1.PersistentVolumeClaim{}, By: kind},
		{Of: &appsv1.Deployment{}, By: kind},
		{Of: &appsv1.StatefulSet{}, By: kind},
		{Of: &snapshotv1.VolumeSnapshot{}, By: kind},
		{Of: &snapshotv1.VolumeSnapshotContent{}, By: kind},
	}
}

// SetupWithManager registers the reconciler.
func (r *StagingEnvironmentReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return woken(mgr, &v1alpha1.StagingEnvironment{}, r.Wakes()).Complete(reconcile.AsReconciler(mgr.GetClient(), r))
}
