// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Snapshot asks for a snapshot of a live claim.
func Snapshot(namespace, name, claim, class string) *snapshotv1.VolumeSnapshot {
	return &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: snapshotv1.VolumeSnapshotSpec{
			VolumeSnapshotClassName: &class,
			Source:                  snapshotv1.VolumeSnapshotSource{PersistentVolumeClaimName: &claim},
		},
	}
}

// Clone is what opens a snapshot in another namespace.
type Clone struct {
	Namespace, Claim string
	// Name of the alias content and of its VolumeSnapshot.
	Name string
	// Ref pins the source; Content is what it is bound to.
	Ref     v1alpha1.SnapshotRef
	Content *snapshotv1.VolumeSnapshotContent
	// StorageClass of the claim: the cluster's default may have another driver.
	StorageClass string
	// AccessModes and VolumeMode of the source claim.
	AccessModes []corev1.PersistentVolumeAccessMode
	VolumeMode  *corev1.PersistentVolumeMode
}

// AliasContent gives the alias content: the same data, kept when the alias goes. It
// is created with Retain, never patched to it: an unbound content that says
// Delete takes the source's snapshot with it.
func (c Clone) AliasContent() *snapshotv1.VolumeSnapshotContent {
	return &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{
			Name:   c.Name,
			Labels: map[string]string{v1alpha1.SourceUIDLabel: c.Ref.UID},
		},
		Spec: snapshotv1.VolumeSnapshotContentSpec{
			DeletionPolicy:          snapshotv1.VolumeSnapshotContentRetain,
			Driver:                  c.Content.Spec.Driver,
			Source:                  snapshotv1.VolumeSnapshotContentSource{SnapshotHandle: c.Content.Status.SnapshotHandle},
			SourceVolumeMode:        c.Content.Spec.SourceVolumeMode,
			VolumeSnapshotClassName: c.Content.Spec.VolumeSnapshotClassName,
			VolumeSnapshotRef:       corev1.ObjectReference{Namespace: c.Namespace, Name: c.Name},
		},
	}
}

// AliasSnapshot gives the VolumeSnapshot in the copy's namespace.
func (c Clone) AliasSnapshot() *snapshotv1.VolumeSnapshot {
	return &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name},
		Spec: snapshotv1.VolumeSnapshotSpec{
			VolumeSnapshotClassName: c.Content.Spec.VolumeSnapshotClassName,
			Source:                  snapshotv1.VolumeSnapshotSource{VolumeSnapshotContentName: &c.Name},
		},
	}
}

// PersistentVolumeClaim gives the claim with the snapshot's data, in the
// source's own size.
func (c Clone) PersistentVolumeClaim() (*corev1.PersistentVolumeClaim, error) {
	size, err := resource.ParseQuantity(c.Ref.Capacity)
	if err != nil {
		return nil, err
	}
	modes := c.AccessModes
	if len(modes) == 0 || modes[0] == corev1.ReadWriteOncePod {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Claim},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      modes,
			StorageClassName: &c.StorageClass,
			VolumeMode:       c.VolumeMode,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: size},
			},
			DataSource: &corev1.TypedLocalObjectReference{
				APIGroup: ptr.To("snapshot.storage.k8s.io"), Kind: "VolumeSnapshot", Name: c.Name,
			},
		},
	}, nil
}
