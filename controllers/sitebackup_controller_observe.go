// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/backup"
)

// observe reads the live site, and what this backup made.
func (r *SiteBackupReconciler) observe(ctx context.Context, b *v1alpha1.SiteBackup) (backup.View, error) {
	view := backup.View{
		Backup: b, Install: r.Install, Stored: slices.Clone(b.Status.Copies),
		Volumes: map[string]*corev1.PersistentVolume{}, Kept: map[string]*corev1.PersistentVolume{},
		Targets: map[string]*corev1.PersistentVolumeClaim{},
		Classes: map[string]*snapshotv1.VolumeSnapshotClass{}, Contents: map[string]*snapshotv1.VolumeSnapshotContent{},
	}
	var err error
	if view.Environments, err = r.environmentsOf(ctx, b); err != nil {
		return view, err
	}
	site, err := getSite(ctx, r.Client, b.Namespace, b.Spec.SiteRef.Name)
	if err != nil || site == nil {
		return view, err
	}
	view.Site, view.Profile = site, loadProfile(site)
	live := &liveSite{reader: r.Live, site: site}
	if err := r.observeLive(ctx, live, &view); err != nil {
		return view, err
	}
	view.Missing = live.missing
	return view, r.observeSnapshots(ctx, &view)
}

func (r *SiteBackupReconciler) observeLive(ctx context.Context, live *liveSite, view *backup.View) error {
	var err error
	if view.Workloads, err = live.workloads(ctx); err != nil {
		return err
	}
	if view.Database, err = live.database(ctx); err != nil {
		return err
	}
	if _, err = live.services(ctx, view.Database); err != nil {
		return err
	}
	if view.Claims, err = live.claims(ctx, view.Database); err != nil {
		return err
	}
	if err := observeLocations(ctx, live, view); err != nil {
		return err
	}
	if err := observeVolumes(ctx, live, view.Claims, view.Volumes); err != nil {
		return err
	}
	return observeVolumes(ctx, live, view.Targets, view.Kept)
}

// observeVolumes reads what claims are bound to, by the same names.
func observeVolumes(
	ctx context.Context, live *liveSite,
	claims map[string]*corev1.PersistentVolumeClaim, volumes map[string]*corev1.PersistentVolume,
) error {
	for name, claim := range claims {
		if claim.Spec.VolumeName == "" {
			continue
		}
		var pv corev1.PersistentVolume
		ok, err := live.find(ctx, "the volume of claim "+claim.Name, "PersistentVolume", claim.Spec.VolumeName, &pv)
		if err != nil {
			return err
		}
		if ok {
			volumes[name] = &pv
		}
	}
	return nil
}

// observeLocations reads where the copies go.
func observeLocations(ctx context.Context, live *liveSite, view *backup.View) error {
	for _, l := range live.site.Spec.Backup.Locations {
		if used := view.Backup.Spec.Locations; len(used) > 0 && !slices.Contains(used, l.Name) {
			continue
		}
		field := fmt.Sprintf("spec.backup.locations[%s]", l.Name)
		if l.Volume != nil {
			var claim corev1.PersistentVolumeClaim
			ok, err := live.find(ctx, field, "PersistentVolumeClaim", l.Volume.ClaimName, &claim)
			if err != nil {
				return err
			}
			if ok {
				view.Targets[l.Name] = &claim
			}
		}
		if l.VolumeSnapshot != nil {
			var class snapshotv1.VolumeSnapshotClass
			ok, err := live.find(ctx, field, "VolumeSnapshotClass", l.VolumeSnapshot.ClassName, &class)
			if err != nil {
				return err
			}
			if ok {
				view.Classes[l.Name] = &class
			}
		}
	}
	return nil
}

// observeSnapshots reads what our snapshots are bound to: made by the
// snapshot controller, and so not in our cache.
func (r *SiteBackupReconciler) observeSnapshots(ctx context.Context, view *backup.View) error {
	var snapshots snapshotv1.VolumeSnapshotList
	mine := client.MatchingLabels{v1alpha1.OwnerUIDLabel: string(view.Backup.UID)}
	if err := r.List(ctx, &snapshots, client.InNamespace(view.Backup.Namespace), mine); err != nil {
		return fmt.Errorf("list VolumeSnapshots of %s: %w", view.Backup.Name, err)
	}
	for i := range snapshots.Items {
		s := &snapshots.Items[i]
		if s.Status == nil || s.Status.BoundVolumeSnapshotContentName == nil {
			continue
		}
		var content snapshotv1.VolumeSnapshotContent
		err := r.Live.Get(ctx, client.ObjectKey{Name: *s.Status.BoundVolumeSnapshotContentName}, &content)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("get VolumeSnapshotContent of %s: %w", s.Name, err)
		}
		if err == nil {
			view.Contents[content.Name] = &content
		}
	}
	return nil
}
