// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// careful notes what is deleted, and whether by UID.
type careful struct {
	client.Client
	deleted map[string]bool
}

func (c *careful) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	var all client.DeleteOptions
	all.ApplyOptions(opts)
	c.deleted[obj.GetName()] = all.Preconditions != nil && all.Preconditions.UID != nil && *all.Preconditions.UID == obj.GetUID()
	return c.Client.Delete(ctx, obj, opts...)
}

func TestStoryOfAnEnvironmentThatGoes(t *testing.T) {
	w := startBackupWorld(t)
	ctx := t.Context()
	hands := &careful{Client: w.client, deleted: map[string]bool{}}
	w.base.Client = hands
	env := &v1alpha1.StagingEnvironment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "look", Finalizers: []string{v1alpha1.CleanupFinalizer}},
		Spec: v1alpha1.StagingEnvironmentSpec{
			SiteRef: v1alpha1.LocalRef{Name: "campus"}, BackupRef: v1alpha1.LocalRef{Name: "nightly"}, Purpose: v1alpha1.PurposeStaging,
		},
	}
	w.make(env)
	mine := map[string]string{v1alpha1.OwnerUIDLabel: string(env.UID)}
	theirs := map[string]string{v1alpha1.OwnerUIDLabel: "another"}
	alias := func(name string, labels map[string]string) *snapshotv1.VolumeSnapshotContent {
		return &snapshotv1.VolumeSnapshotContent{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
			Spec: snapshotv1.VolumeSnapshotContentSpec{
				DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain, Driver: "csi.campus.example",
				Source: snapshotv1.VolumeSnapshotContentSource{SnapshotHandle: ptr.To("handle")},
			},
		}
	}
	w.make(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "look-copy", Labels: mine}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other-copy", Labels: theirs}},
		alias("alias-mine", mine), alias("alias-theirs", theirs), alias("alias-of-nobody", nil),
	)
	if err := w.client.Delete(ctx, env); err != nil {
		t.Fatal(err)
	}

	w.finalise(env)
	if w.phase("look-copy") != corev1.NamespaceTerminating || !w.there(&snapshotv1.VolumeSnapshotContent{}, "alias-mine") {
		t.Error("the namespace goes first, and its volumes with it; then what they stand on")
	}
	w.finalise(env) // it is still terminating: nothing more to do
	w.endNamespace("look-copy")
	w.finalise(env)
	w.finalise(env)
	if w.there(&v1alpha1.StagingEnvironment{}, "look") || w.there(&snapshotv1.VolumeSnapshotContent{}, "alias-mine") {
		t.Error("the environment or its alias is still there")
	}
	if w.phase("other-copy") != corev1.NamespaceActive || w.phase("campus") != corev1.NamespaceActive ||
		!w.there(&snapshotv1.VolumeSnapshotContent{}, "alias-theirs") || !w.there(&snapshotv1.VolumeSnapshotContent{}, "alias-of-nobody") {
		t.Error("something of another is gone")
	}
	if len(hands.deleted) != 2 || !hands.deleted["look-copy"] || !hands.deleted["alias-mine"] {
		t.Errorf("deleted, and whether by UID: %v", hands.deleted)
	}
}

// finalise reconciles an environment that is being deleted.
func (w *backupWorld) finalise(env *v1alpha1.StagingEnvironment) {
	w.t.Helper()
	err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(env), env)
	if apierrors.IsNotFound(err) {
		return
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := (&StagingEnvironmentReconciler{Base: w.base}).Reconcile(w.t.Context(), env); err != nil {
		w.t.Fatal(err)
	}
}

// endNamespace does what the namespace controller does, which is not there.
func (w *backupWorld) endNamespace(name string) {
	w.t.Helper()
	var ns corev1.Namespace
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Name: name}, &ns); err != nil {
		w.t.Fatal(err)
	}
	ns.Spec.Finalizers = nil
	if err := w.client.SubResource("finalize").Update(w.t.Context(), &ns); err != nil {
		w.t.Fatal(err)
	}
}

func (w *backupWorld) phase(namespace string) corev1.NamespacePhase {
	w.t.Helper()
	var ns corev1.Namespace
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Name: namespace}, &ns); err != nil {
		w.t.Fatal(err)
	}
	return ns.Status.Phase
}

func (w *backupWorld) there(obj client.Object, name string) bool {
	w.t.Helper()
	key := client.ObjectKey{Name: name}
	if _, ok := obj.(*v1alpha1.StagingEnvironment); ok {
		key.Namespace = "campus"
	}
	err := w.client.Get(w.t.Context(), key, obj)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return err == nil
}
