// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

const (
	mergePatch = "application/merge-patch+json"
	// goneLimit is how long Gradus gets to clean up behind one object.
	goneLimit = 90 * time.Second
)

// Clear removes a site with all that was made for it: a person may. Gradus
// itself keeps backups and the replaced side until a person decides.
func (w *World) Clear(ctx context.Context, namespace string) error {
	// Our kinds go first: they clean up while Gradus still has its rights there.
	for _, kind := range []client.ObjectList{
		&v1alpha1.UpgradePlanList{}, &v1alpha1.RollbackList{}, &v1alpha1.GoLiveList{}, &v1alpha1.TrialUpgradeList{},
		&v1alpha1.SiteBackupList{}, &v1alpha1.StagingEnvironmentList{},
	} {
		err := w.List(ctx, kind, client.InNamespace(namespace))
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("list %T in %s: %w", kind, namespace, err)
		}
		if err := Each(kind, func(obj client.Object) error { return w.Remove(ctx, obj) }); err != nil {
			return err
		}
	}
	if err := w.Remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	if err := w.clearVolumes(ctx, namespace); err != nil {
		return err
	}
	return w.clearSnapshots(ctx, namespace)
}

// Remove deletes an object and waits until it is gone. One of our kinds that
// cannot clean up behind itself is let go after a while, as a person would.
func (w *World) Remove(ctx context.Context, obj client.Object) error {
	err := w.Delete(ctx, obj, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %T %s: %w", obj, obj.GetName(), err)
	}
	short, stop := context.WithTimeout(ctx, goneLimit)
	defer stop()
	stuck := AwaitGone(short, w, obj)
	if _, isNamespace := obj.(*corev1.Namespace); stuck == nil || isNamespace {
		return stuck
	}
	free := client.RawPatch(mergePatch, []byte(`{"metadata":{"finalizers":null}}`))
	if err := w.Patch(ctx, obj, free); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("%w; let go of it: %w", stuck, err)
	}
	return AwaitGone(ctx, w, obj)
}

// clearVolumes removes volumes of the namespace that are retained.
func (w *World) clearVolumes(ctx context.Context, namespace string) error {
	var volumes corev1.PersistentVolumeList
	if err := w.List(ctx, &volumes); err != nil {
		return fmt.Errorf("list PersistentVolumes: %w", err)
	}
	for _, v := range volumes.Items {
		ref := v.Spec.ClaimRef
		if ref == nil || ref.Namespace != namespace || v.Status.Phase != corev1.VolumeReleased {
			continue
		}
		patch := client.RawPatch(mergePatch, []byte(`{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`))
		if err := w.Patch(ctx, &v, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("let go of PersistentVolume %s: %w", v.Name, err)
		}
	}
	return nil
}

// clearSnapshots removes snapshots of the namespace that are retained.
func (w *World) clearSnapshots(ctx context.Context, namespace string) error {
	var contents snapshotv1.VolumeSnapshotContentList
	err := w.List(ctx, &contents)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list VolumeSnapshotContents: %w", err)
	}
	for _, c := range contents.Items {
		if c.Spec.VolumeSnapshotRef.Namespace != namespace {
			continue
		}
		patch := client.RawPatch(mergePatch, []byte(`{"spec":{"deletionPolicy":"Delete"}}`))
		if err := w.Patch(ctx, &c, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("let go of VolumeSnapshotContent %s: %w", c.Name, err)
		}
		if err := w.Delete(ctx, &c); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete VolumeSnapshotContent %s: %w", c.Name, err)
		}
	}
	return nil
}

// Each does something with every object of a list.
func Each(list client.ObjectList, do func(client.Object) error) error {
	return meta.EachListItem(list, func(o runtime.Object) error {
		if obj, ok := o.(client.Object); ok {
			return do(obj)
		}
		return nil
	})
}
