// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"os"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
	"github.com/gradus-lms/gradus/internal/task"
)

// backupWorld is a real API server with a live site in it. What controllers of
// Kubernetes, drivers and Jobs do is told by the test.
type backupWorld struct {
	t      *testing.T
	client client.Client
	base   Base
}

// Outcome, Keep and Store let the world be pipeline.Reports.
func (w *backupWorld) Outcome(_ context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	now := w.base.Clock.Now()
	facts := map[string]map[string]string{
		"Dump": {
			"dump.sha256": "aa11", "dump.size": "4096", "dump.serverVersion": "15.18 (Debian)",
			"dump.count.users": "1200", "version.database": "1.0",
		},
		"CopyFiles":  {"hash-rest.digest": "cc33"},
		"VerifyDump": {"verify-dump.sha256": "aa11"},
	}[job.Labels[v1alpha1.StepLabel]]
	return pipeline.JobOutcome{
		State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: facts}, Started: now.Add(-time.Minute), Ended: now,
	}, nil
}

func (w *backupWorld) Keep(
	context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome,
) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (w *backupWorld) Store(context.Context, pipeline.Owner, *v1alpha1.StepStatus, string, []byte) (v1alpha1.Evidence, error) {
	return v1alpha1.Evidence{}, nil
}

func startBackupWorld(t *testing.T) *backupWorld {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("left out: this story needs KUBEBUILDER_ASSETS (make test sets it)")
	}
	server := &envtest.Environment{
		CRDDirectoryPaths: []string{"../config/crd/bases"}, ErrorIfCRDPathMissing: true,
		CRDs: []*apiextensionsv1.CustomResourceDefinition{
			snapshotKind("VolumeSnapshot", "volumesnapshots", apiextensionsv1.NamespaceScoped),
			snapshotKind("VolumeSnapshotContent", "volumesnapshotcontents", apiextensionsv1.ClusterScoped),
			snapshotKind("VolumeSnapshotClass", "volumesnapshotclasses", apiextensionsv1.ClusterScoped),
		},
	}
	config, err := server.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	c, err := client.New(config, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakeClock(time.Now().Truncate(time.Second))
	w := &backupWorld{t: t, client: c}
	w.base = Base{
		Client: c, Live: c, Clock: clock, Install: environment.Install{Image: "gradus:test"},
		Engine: pipeline.Engine{Client: c, Live: c, Clock: clock, Reports: w}, Settler: status.Settler{Client: c},
	}
	w.make(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "campus"}})
	w.liveSite()
	return w
}

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
		claim("campus-files"), claim("data-campus-db-0"), claim("gradus-vault"), volume("campus-files"), volume("data-campus-db-0"),
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

func TestStoryOfABackupAndATrial(t *testing.T) {
	w := startBackupWorld(t)
	ctx := t.Context()
	w.make(&v1alpha1.SiteBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "nightly"},
		Spec:       v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}},
	})
	b := w.backup("nightly")
	if !meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ReadyCondition) ||
		!meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.VerifiedCondition) || len(b.Status.Copies) != 4 {
		t.Fatalf("%d copies, %+v, %+v", len(b.Status.Copies), b.Status.Conditions, b.Status.Steps)
	}
	if len(b.Finalizers) > 0 {
		t.Error("a backup that is over is still held: without Gradus nobody could delete it")
	}
	w.nothingLeftBut(3) // Jobs: dump, files, restore

	trial := &v1alpha1.TrialUpgrade{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn"},
		Spec: v1alpha1.TrialUpgradeSpec{
			SiteRef: v1alpha1.LocalRef{Name: "campus"}, BackupRef: v1alpha1.LocalRef{Name: "nightly"},
			Upgrade: v1alpha1.UpgradeSpec{
				From: "1.0", Hops: []v1alpha1.Hop{{From: "1.0", To: "2.0"}}, Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}},
			},
		},
	}
	w.make(trial)
	tr := &TrialUpgradeReconciler{Base: w.base}
	for range 12 {
		if err := w.client.Get(ctx, client.ObjectKeyFromObject(trial), trial); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Reconcile(ctx, trial); err != nil {
			t.Fatalf("reconcile: %v", err)
		}
		w.copies()
	}
	if !meta.IsStatusConditionTrue(trial.Status.Conditions, v1alpha1.ReadyCondition) ||
		!meta.IsStatusConditionTrue(trial.Status.Conditions, v1alpha1.PassedCondition) || trial.Status.ReportDigest == "" {
		t.Errorf("%+v %+v", trial.Status.Conditions, trial.Status.Steps)
	}
	w.nothingLeftBut(3)
	w.deletingABackupKeepsItsSnapshots(b)
}

// nothingLeftBut counts what controllers made in the site's namespace.
func (w *backupWorld) nothingLeftBut(jobs int) {
	w.t.Helper()
	var copies v1alpha1.StagingEnvironmentList
	var made batchv1.JobList
	for _, list := range []client.ObjectList{&copies, &made} {
		if err := w.client.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
	}
	if len(copies.Items) > 0 || len(made.Items) != jobs {
		w.t.Errorf("%d copies and %d Jobs are left", len(copies.Items), len(made.Items))
	}
}

func (w *backupWorld) deletingABackupKeepsItsSnapshots(b *v1alpha1.SiteBackup) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.client.Delete(ctx, b); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Get(ctx, client.ObjectKeyFromObject(b), b); !apierrors.IsNotFound(err) {
		w.t.Errorf("the backup is still there: %v", err)
	}
	var snapshots snapshotv1.VolumeSnapshotList
	if err := w.client.List(ctx, &snapshots); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range snapshots.Items {
		if len(s.OwnerReferences) > 0 {
			w.t.Errorf("VolumeSnapshot %s would be collected with its backup", s.Name)
		}
	}
	if len(snapshots.Items) != 2 {
		w.t.Errorf("%d snapshots are left, want 2", len(snapshots.Items))
	}
}
