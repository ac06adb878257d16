// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"os"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

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
		Sights: &Sights{},
		Client: c, Live: c, Clock: clock, Install: environment.Install{Image: "gradus:test"},
		Engine: pipeline.Engine{Client: c, Live: c, Clock: clock, Reports: w}, Settler: status.Settler{Client: c},
	}
	w.make(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "campus"}})
	w.liveSite()
	return w
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
	w.aLaterSiteProvesNothing(b)

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

// aLaterSiteProvesNothing edits the Site after its backup was judged.
func (w *backupWorld) aLaterSiteProvesNothing(b *v1alpha1.SiteBackup) {
	w.t.Helper()
	r := &SiteBackupReconciler{Base: w.base}
	b = b.DeepCopy()
	view, err := r.observe(w.t.Context(), b)
	if err != nil {
		w.t.Fatal(err)
	}
	view.Site.Spec.Volumes = append(view.Site.Spec.Volumes, v1alpha1.SiteVolume{Name: "added-later"})
	_, err = r.walk(w.t.Context(), view, w.base.Clock.Now())
	if err != nil || !meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.VerifiedCondition) {
		w.t.Errorf("%+v %v", b.Status.Conditions, err)
	}
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
