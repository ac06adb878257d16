// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
)

// observe reads what the copy is made of. It is not read again once the
// application serves: nothing of the live site concerns the copy any more.
func (r *StagingEnvironmentReconciler) observe(
	ctx context.Context, env *v1alpha1.StagingEnvironment,
) (environment.View, error) {
	view := environment.View{Env: env, Install: r.Install, Sources: map[string]environment.Source{}}
	site, err := getSite(ctx, r.Client, env.Namespace, env.Spec.SiteRef.Name)
	if err != nil || site == nil {
		return view, err
	}
	view.Site, view.Profile = site, loadProfile(site)
	var backup v1alpha1.SiteBackup
	err = r.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: env.Spec.BackupRef.Name}, &backup)
	if err != nil {
		return view, client.IgnoreNotFound(err)
	}
	view.Backup = &backup
	live := &liveSite{reader: r.Live, site: site}
	if err := r.observeLive(ctx, live, &view); err != nil {
		return view, err
	}
	view.Missing = live.missing
	return view, nil
}

func (r *StagingEnvironmentReconciler) observeLive(ctx context.Context, live *liveSite, view *environment.View) error {
	var err error
	if view.Workloads, err = live.workloads(ctx); err != nil {
		return err
	}
	if view.Database, err = live.database(ctx); err != nil {
		return err
	}
	if view.Services, err = live.services(ctx, view.Database); err != nil {
		return err
	}
	if view.Secrets, err = live.secrets(ctx); err != nil {
		return err
	}
	var templates []corev1.PodTemplateSpec
	for _, d := range view.Workloads {
		templates = append(templates, d.Spec.Template)
	}
	if view.Database != nil {
		templates = append(templates, view.Database.Spec.Template)
	}
	if view.ConfigMaps, err = live.configMaps(ctx, templates...); err != nil {
		return err
	}
	return r.observeSources(ctx, live, view)
}

// observeSources reads the snapshots that the copy is made of.
func (r *StagingEnvironmentReconciler) observeSources(
	ctx context.Context, live *liveSite, view *environment.View,
) error {
	claims, err := live.claims(ctx, view.Database)
	if err != nil {
		return err
	}
	for _, c := range environment.SourcesOf(live.site, view.Backup) {
		content, err := live.snapshot(ctx, *c.Snapshot)
		if err != nil {
			return err
		}
		class, err := r.classOf(ctx, live, *c.Snapshot)
		if err != nil {
			return err
		}
		if content != nil && class != nil {
			view.Sources[c.Volume] = environment.Source{
				Ref: *c.Snapshot, Content: content, Claim: claims[c.Volume], Class: class,
			}
		}
	}
	if _, ok := view.Sources[environment.DatabaseVolume]; !ok && view.Database != nil {
		live.missing = append(live.missing, fmt.Sprintf("a snapshot of the database in SiteBackup %s", view.Backup.Name))
	}
	return nil
}

// classOf reads the class of which a copy of a snapshot is made.
func (r *StagingEnvironmentReconciler) classOf(
	ctx context.Context, live *liveSite, ref v1alpha1.SnapshotRef,
) (*storagev1.StorageClass, error) {
	name, field := ref.StorageClassName, "the class of claim "+ref.ClaimName
	if own := live.site.Spec.Copies.StorageClassName; own != "" {
		name, field = own, "spec.copies.storageClassName"
	}
	var class storagev1.StorageClass
	err := r.Get(ctx, client.ObjectKey{Name: name}, &class)
	if apierrors.IsNotFound(err) {
		live.missing = append(live.missing, fmt.Sprintf("StorageClass %s (Site %s, %s)", name, live.site.Name, field))
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get StorageClass %s: %w", name, err)
	}
	return &class, nil
}
