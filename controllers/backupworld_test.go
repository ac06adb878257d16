// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// snapshotKind gives a kind of the snapshot API without its schema.
func snapshotKind(kind, plural string, scope apiextensionsv1.ResourceScope) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{
			Name:        plural + ".snapshot.storage.k8s.io",
			Annotations: map[string]string{"api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter/pull/814"},
		},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "snapshot.storage.k8s.io", Scope: scope,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: kind, Plural: plural},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: ptr.To(true),
				}},
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			}},
		},
	}
}

func (w *backupWorld) make(objects ...client.Object) {
	w.t.Helper()
	for _, obj := range objects {
		wanted := obj.DeepCopyObject().(client.Object)
		if err := w.client.Create(w.t.Context(), obj); err != nil {
			w.t.Fatalf("create %T %s: %v", obj, obj.GetName(), err)
		}
		if claim, ok := wanted.(*corev1.PersistentVolumeClaim); ok {
			obj.(*corev1.PersistentVolumeClaim).Status = claim.Status
			if err := w.client.Status().Update(w.t.Context(), obj); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

const siteOfBackups = `
metadata: {name: campus, namespace: campus}
spec:
  profile: campus
  url: http://campus-web.campus.svc
  workloads:
  - {name: web, role: Web, targetRef: {apiVersion: apps/v1, kind: Deployment, name: campus-web}, applicationContainer: app}
  traffic: {serviceRef: {name: campus-web}}
  database:
    engine: PostgreSQL
    workloadRef: {apiVersion: apps/v1, kind: StatefulSet, name: campus-db}
    name: campus
    ownerSecretRef: {name: campus-db}
    readerSecretRef: {name: campus-db-reader}
    clone: {method: VolumeSnapshot}
  volumes:
  - {name: files, claimName: campus-files, mountPath: /var/lib/campus, clone: {method: VolumeSnapshot}}
  backup:
    locations:
    - {name: snapshots, holds: [Database, Files], failureDomain: storage, volumeSnapshot: {className: fast}}
    - {name: vault, holds: [Database, Files], failureDomain: vault, volume: {claimName: gradus-vault}}
`

func (w *backupWorld) liveSite() {
	w.t.Helper()
	var site v1alpha1.Site
	if err := yaml.UnmarshalStrict([]byte(siteOfBackups), &site); err != nil {
		w.t.Fatal(err)
	}
	pod := func(app, container string) corev1.PodTemplateSpec {
		return corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: container, Image: "image:1"}}},
		}
	}
	selects := func(app string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	}
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "campus", Name: name} }
	port := corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}
	gi := func(n string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(n)}
	}
	claim := func(name string) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{
			ObjectMeta: named(name),
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, VolumeName: "pv-" + name,
				StorageClassName: ptr.To("fast"), Resources: corev1.VolumeResourceRequirements{Requests: gi("1Gi")},
			},
			Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: gi("8Gi")},
		}
	}
	volume := func(name string) *corev1.PersistentVolume {
		return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name}, Spec: corev1.PersistentVolumeSpec{
			Capacity: gi("8Gi"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: "csi.campus.example", VolumeHandle: name},
			},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
		}}
	}
	data := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: claim("data").Spec}
	w.make(&site,
		&appsv1.Deployment{ObjectMeta: named("campus-web"), Spec: appsv1.DeploymentSpec{Selector: selects("web"), Template: pod("web", "app")}},
		&appsv1.StatefulSet{ObjectMeta: named("campus-db"), Spec: appsv1.StatefulSetSpec{
			ServiceName: "campus-db", Selector: selects("db"), Template: pod("db", "postgres"),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{data},
		}},
		&corev1.Service{ObjectMeta: named("campus-web"), Spec: port}, &corev1.Service{ObjectMeta: named("campus-db"), Spec: port},
		claim("campus-files"), claim("data-campus-db-0"), claim("gradus-vault"), volume("campus-files"), volume("data-campus-db-0"), volume("gradus-vault"),
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Provisioner: "csi.campus.example"},
		&snapshotv1.VolumeSnapshotClass{
			ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Driver: "csi.campus.example", DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain,
		})
}

// driver takes every snapshot that waits for it.
func (w *backupWorld) driver() {
	w.t.Helper()
	ctx := w.t.Context()
	var snapshots snapshotv1.VolumeSnapshotList
	if err := w.client.List(ctx, &snapshots); err != nil {
		w.t.Fatal(err)
	}
	for i := range snapshots.Items {
		s := &snapshots.Items[i]
		if s.Status != nil {
			continue
		}
		handle := "handle-" + s.Name
		content := &snapshotv1.VolumeSnapshotContent{
			ObjectMeta: metav1.ObjectMeta{Name: "snapcontent-" + string(s.UID)},
			Spec: snapshotv1.VolumeSnapshotContentSpec{
				DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain, Driver: "csi.campus.example",
				Source:            snapshotv1.VolumeSnapshotContentSource{VolumeHandle: ptr.To(s.Name)},
				VolumeSnapshotRef: corev1.ObjectReference{Namespace: s.Namespace, Name: s.Name, UID: s.UID},
			},
		}
		w.make(content)
		content.Status = &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: &handle, ReadyToUse: ptr.To(true)}
		s.Status = &snapshotv1.VolumeSnapshotStatus{
			ReadyToUse: ptr.To(true), BoundVolumeSnapshotContentName: &content.Name,
			CreationTime: &metav1.Time{Time: w.base.Clock.Now()},
		}
		for _, obj := range []client.Object{content, s} {
			if err := w.client.Status().Update(ctx, obj); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// copies lets every environment of a purpose stand, and lets go those that are
// being deleted (nothing of this test holds them).
func (w *backupWorld) copies() {
	w.t.Helper()
	var list v1alpha1.StagingEnvironmentList
	if err := w.client.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Items {
		env := &list.Items[i]
		env.Status.Version, env.Status.ObservedGeneration = "2.0", env.Generation
		env.Status.Hops = []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "2.0"}, Verdict: "Passed", Version: "2.0"}}
		env.Status.Before = []v1alpha1.Count{{Name: "users", Value: "1200"}}
		meta.SetStatusCondition(&env.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Serving", Message: "the copy stands"})
		if err := w.client.Status().Update(w.t.Context(), env); err != nil {
			w.t.Fatal(err)
		}
	}
}

// backup reconciles until the backup is over; a bound keeps the test from hanging.
func (w *backupWorld) backup(name string) *v1alpha1.SiteBackup {
	w.t.Helper()
	r := &SiteBackupReconciler{Base: w.base}
	b := &v1alpha1.SiteBackup{}
	for range 20 {
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "campus", Name: name}, b); err != nil {
			w.t.Fatal(err)
		}
		if _, err := r.Reconcile(w.t.Context(), b); err != nil {
			w.t.Fatalf("reconcile: %v", err)
		}
		w.driver()
		w.copies()
	}
	return b
}
