// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// down removes what the demo made, the site and its data included.
func (d *demo) down(ctx context.Context) error {
	if d.cluster && !d.Current {
		w, err := world.Repository(d.Options)
		if err != nil {
			return err
		}
		return d.step("the local cluster is gone", func() error {
			_, err := w.Cluster(ctx, "down")
			return err
		})
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	return d.step("what the demo made is gone", func() error {
		if err := d.clear(ctx); err != nil {
			return err
		}
		for _, name := range []string{mailNamespace, witnessNamespace} {
			if err := d.remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// clear removes the site with all that was made for it. A person may do so;
// Gradus itself keeps backups and the replaced side until a person decides.
func (d *demo) clear(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	// Plans first: they take their copies with them, while Gradus runs.
	for _, kind := range []client.ObjectList{&v1alpha1.UpgradePlanList{}, &v1alpha1.StagingEnvironmentList{}, &v1alpha1.TrialUpgradeList{}} {
		if err := d.removeAll(ctx, kind, world.Site); err != nil {
			return err
		}
	}
	if err := d.remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: world.Site}}); err != nil {
		return err
	}
	return d.leftovers(ctx)
}

// removeAll deletes every object of a kind in a namespace and waits for it.
func (d *demo) removeAll(ctx context.Context, list client.ObjectList, namespace string) error {
	if err := d.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return client.IgnoreNotFound(ignoreNoKind(err))
	}
	return eachItem(list, func(obj client.Object) error { return d.remove(ctx, obj) })
}

// remove deletes one object and waits until it is gone. What still holds it
// after a while is let go: the demo is over.
func (d *demo) remove(ctx context.Context, obj client.Object) error {
	err := d.Delete(ctx, obj, client.PropagationPolicy(metav1.DeletePropagationBackground))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %T %s: %w", obj, obj.GetName(), err)
	}
	short, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	return world.AwaitGone(short, d.World, obj)
}

// leftovers removes volumes and snapshots of the site that are retained.
func (d *demo) leftovers(ctx context.Context) error {
	var volumes corev1.PersistentVolumeList
	if err := d.List(ctx, &volumes); err != nil {
		return fmt.Errorf("list PersistentVolumes: %w", err)
	}
	for _, v := range volumes.Items {
		if ref := v.Spec.ClaimRef; ref == nil || ref.Namespace != world.Site || v.Status.Phase != corev1.VolumeReleased {
			continue
		}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`))
		if err := d.Patch(ctx, &v, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("let go of PersistentVolume %s: %w", v.Name, err)
		}
	}
	var contents snapshotv1.VolumeSnapshotContentList
	if err := d.List(ctx, &contents); err != nil {
		return ignoreNoKind(err)
	}
	for _, c := range contents.Items {
		if c.Spec.VolumeSnapshotRef.Namespace != world.Site {
			continue
		}
		patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"deletionPolicy":"Delete"}}`))
		if err := d.Patch(ctx, &c, patch); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("let go of VolumeSnapshotContent %s: %w", c.Name, err)
		}
		if err := d.Delete(ctx, &c); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete VolumeSnapshotContent %s: %w", c.Name, err)
		}
	}
	return nil
}

// ignoreNoKind takes a kind that is not installed for an empty list.
func ignoreNoKind(err error) error {
	if err != nil && (strings.Contains(err.Error(), "no matches for kind") || strings.Contains(err.Error(), "could not find the requested resource")) {
		return nil
	}
	return err
}

func eachItem(list client.ObjectList, do func(client.Object) error) error {
	return meta.EachListItem(list, func(o runtime.Object) error {
		if obj, ok := o.(client.Object); ok {
			return do(obj)
		}
		return nil
	})
}
