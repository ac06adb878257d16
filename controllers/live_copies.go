// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// environmentsOf reads the copies that somebody ordered. A cache may still have one
// that is gone, which would open its removal again, or not have one yet, which
// would be left.
func (b Base) environmentsOf(ctx context.Context, owner client.Object) ([]v1alpha1.StagingEnvironment, error) {
	var all v1alpha1.StagingEnvironmentList
	mine := client.MatchingLabels{v1alpha1.OwnerUIDLabel: string(owner.GetUID())}
	if err := b.Live.List(ctx, &all, client.InNamespace(owner.GetNamespace()), mine); err != nil {
		return nil, fmt.Errorf("list StagingEnvironments of %s: %w", owner.GetName(), err)
	}
	return all.Items, nil
}

// secrets reads the Secrets that a copy may see.
func (l *liveSite) secrets(ctx context.Context) ([]corev1.Secret, error) {
	fields := map[string]string{}
	if l.site.Spec.Config != nil {
		fields[l.site.Spec.Config.SecretKeyRef.Name] = "spec.config.secretKeyRef"
	}
	if l.site.Spec.ProbeAccount != nil {
		fields[l.site.Spec.ProbeAccount.Name] = "spec.probeAccountSecretRef"
	}
	for _, name := range l.site.Spec.Copies.Secrets {
		fields[name] = "spec.copies.secrets"
	}
	// Copies get passwords of their own under these names.
	delete(fields, l.site.Spec.Database.OwnerSecretRef.Name)
	delete(fields, l.site.Spec.Database.ReaderSecretRef.Name)
	var out []corev1.Secret
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var secret corev1.Secret
		ok, err := l.find(ctx, fields[name], "Secret", name, &secret)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, secret)
		}
	}
	return out, nil
}

// configMaps reads the ConfigMaps that the workloads mount or take variables of.
func (l *liveSite) configMaps(ctx context.Context, templates ...corev1.PodTemplateSpec) ([]corev1.ConfigMap, error) {
	names := map[string]bool{}
	for _, template := range templates {
		configMapsOf(template, names)
	}
	var out []corev1.ConfigMap
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var cm corev1.ConfigMap
		err := l.reader.Get(ctx, client.ObjectKey{Namespace: l.site.Namespace, Name: name}, &cm)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("get ConfigMap %s/%s: %w", l.site.Namespace, name, err)
		}
		out = append(out, cm)
	}
	return out, nil
}

// configMapsOf notes the ConfigMaps that a pod mounts or takes variables of.
func configMapsOf(template corev1.PodTemplateSpec, names map[string]bool) {
	for _, v := range template.Spec.Volumes {
		if v.ConfigMap != nil {
			names[v.ConfigMap.Name] = true
		}
	}
	for _, c := range slices.Concat(template.Spec.InitContainers, template.Spec.Containers) {
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef != nil {
				names[from.ConfigMapRef.Name] = true
			}
		}
		for _, env := range c.Env {
			if env.ValueFrom != nil && env.ValueFrom.ConfigMapKeyRef != nil {
				names[env.ValueFrom.ConfigMapKeyRef.Name] = true
			}
		}
	}
}

// snapshot reads what a VolumeSnapshot of the backup is bound to, checked by
// UID both ways: a handle opens any snapshot of the driver.
func (l *liveSite) snapshot(ctx context.Context, ref v1alpha1.SnapshotRef) (*snapshotv1.VolumeSnapshotContent, error) {
	var snapshot snapshotv1.VolumeSnapshot
	ok, err := l.find(ctx, "backup", "VolumeSnapshot", ref.Name, &snapshot)
	if !ok || err != nil {
		return nil, err
	}
	if string(snapshot.UID) != ref.UID || snapshot.Status == nil || snapshot.Status.BoundVolumeSnapshotContentName == nil {
		l.missing = append(l.missing, fmt.Sprintf("VolumeSnapshot %s as it was backed up (uid %s)", ref.Name, ref.UID))
		return nil, nil
	}
	var content snapshotv1.VolumeSnapshotContent
	err = l.reader.Get(ctx, client.ObjectKey{Name: *snapshot.Status.BoundVolumeSnapshotContentName}, &content)
	if err = client.IgnoreNotFound(err); err != nil {
		return nil, fmt.Errorf("get VolumeSnapshotContent of %s: %w", ref.Name, err)
	}
	// Where there is none, its reference is empty and so another.
	if content.Spec.VolumeSnapshotRef.UID != snapshot.UID ||
		content.Status == nil || content.Status.SnapshotHandle == nil {
		l.missing = append(l.missing, fmt.Sprintf("the content of VolumeSnapshot %s", ref.Name))
		return nil, nil
	}
	return &content, nil
}
