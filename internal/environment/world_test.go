// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"context"
	"fmt"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

// tracking labels by which Argo CD, Flux and Helm know their own.
var tracking = map[string]string{
	"app.kubernetes.io/instance": "tracked", "argocd.argoproj.io/instance": "tracked", "app.kubernetes.io/managed-by": "tracked",
	"kustomize.toolkit.fluxcd.io/name": "tracked", "helm.toolkit.fluxcd.io/name": "tracked", "helm.sh/chart": "tracked",
}

func with(labels map[string]string, more ...string) map[string]string {
	out := map[string]string{}
	for k, v := range labels {
		out[k] = v
	}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// campus is a view of a healthy site that is to become an environment.
func campus(t *testing.T, change ...func(*View)) View {
	t.Helper()
	known, err := profile.Load("campus")
	if err != nil {
		t.Fatal(err)
	}
	v := View{
		Env: &v1alpha1.StagingEnvironment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn", UID: "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11"},
			Spec: v1alpha1.StagingEnvironmentSpec{
				SiteRef: v1alpha1.LocalRef{Name: "campus"}, BackupRef: v1alpha1.LocalRef{Name: "nightly"}, Purpose: v1alpha1.PurposeStaging,
				Upgrade: &v1alpha1.UpgradeSpec{
					From: "1.0", Hops: []v1alpha1.Hop{{From: "1.0", To: "1.5"}, {From: "1.5", To: "3.0"}},
					Releases: []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0"}},
				},
			},
		},
		Site: liveSite(),
		Backup: &v1alpha1.SiteBackup{
			ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}},
			Status: v1alpha1.SiteBackupStatus{Version: "1.0", Conditions: []metav1.Condition{
				{Type: v1alpha1.VerifiedCondition, Status: metav1.ConditionTrue, Reason: "RestoredAndCompared"}}},
		},
		Profile: &known,
		Install: Install{Image: "gradus:test", Namespace: "gradus-system", Account: "gradus-manager", Canaries: []string{"10.96.0.1:443", "10.96.0.9:8090"}},
		Secrets: []corev1.Secret{
			{ObjectMeta: metav1.ObjectMeta{Name: "campus-config", Labels: tracking}, Data: map[string][]byte{"config.php": []byte("<?php")}},
			{ObjectMeta: metav1.ObjectMeta{Name: "smtp"}, Data: map[string][]byte{"password": []byte("relay")}},
		},
		ConfigMaps: []corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Name: "campus-env", Labels: tracking}, Data: map[string]string{"LANG": "de"}}},
		Sources:    map[string]Source{"database": source("data-campus-db-0"), "files": source("campus-files")},
	}
	v.Workloads, v.Database, v.Services = liveWorkloads()
	for _, c := range change {
		c(&v)
	}
	return v
}

func liveSite() *v1alpha1.Site {
	web := v1alpha1.WorkloadRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "campus-web"}
	cron := v1alpha1.WorkloadRef{APIVersion: "apps/v1", Kind: "Deployment", Name: "campus-cron"}
	return &v1alpha1.Site{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus"},
		Spec: v1alpha1.SiteSpec{
			Profile: "campus", URL: "https://campus.example",
			Workloads: []v1alpha1.Workload{
				{Name: "cron", Role: v1alpha1.RoleCron, TargetRef: cron, ApplicationContainer: "app"},
				{Name: "web", Role: v1alpha1.RoleWeb, TargetRef: web, ApplicationContainer: "app"},
			},
			Traffic: v1alpha1.Traffic{ServiceRef: v1alpha1.LocalRef{Name: "campus-web"}},
			Database: v1alpha1.Database{
				Name: "campus", Port: 5432, WorkloadRef: &v1alpha1.WorkloadRef{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "campus-db"},
				OwnerSecretRef: v1alpha1.LocalRef{Name: "campus-db"}, ReaderSecretRef: v1alpha1.LocalRef{Name: "campus-db-reader"},
				Clone: v1alpha1.DatabaseClone{Method: v1alpha1.CloneVolumeSnapshot},
			},
			Volumes: []v1alpha1.SiteVolume{{
				Name: "files", ClaimName: "campus-files", MountPath: "/var/lib/campus", Clone: v1alpha1.VolumeClone{Method: v1alpha1.CloneVolumeSnapshot},
			}},
			Copies: v1alpha1.Copies{Secrets: []string{"smtp"}, PodSecurity: v1alpha1.LevelRestricted},
		},
	}
}

func source(claim string) Source {
	return Source{
		Ref: v1alpha1.SnapshotRef{Name: "snap-" + claim, UID: "uid-" + claim, ClaimName: claim, StorageClassName: "fast", Capacity: "8Gi"},
		Content: &snapshotv1.VolumeSnapshotContent{
			Spec:   snapshotv1.VolumeSnapshotContentSpec{Driver: "csi.campus.example", DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain},
			Status: &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: ptr.To("handle-" + claim)},
		},
		Claim: &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}}},
		Class: &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Provisioner: "csi.campus.example"},
	}
}

// liveWorkloads are managed by everybody at once and ask for more than a copy may have.
func liveWorkloads() (map[string]*appsv1.Deployment, *appsv1.StatefulSet, []corev1.Service) {
	from := func(secret string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: "password"}}
	}
	// The selector of a Helm chart holds the label that Argo CD tracks by.
	selector := func(app string) map[string]string {
		return map[string]string{"app": app, "app.kubernetes.io/instance": "tracked"}
	}
	pod := func(app string, c corev1.Container, volumes ...corev1.Volume) corev1.PodTemplateSpec {
		return corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: with(tracking, "app", app), Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "tracked"}},
			Spec: corev1.PodSpec{
				ServiceAccountName: "live", HostNetwork: true, SecurityContext: &corev1.PodSecurityContext{FSGroup: ptr.To(int64(33)), RunAsUser: ptr.To(int64(33))},
				Containers: []corev1.Container{c}, Volumes: volumes,
			},
		}
	}
	app := corev1.Container{
		Name: "app", Image: "campus:1.0",
		Env:          []corev1.EnvVar{{Name: "CAMPUS_DB_HOST", Value: "live"}, {Name: "CAMPUS_DB_PASSWORD", ValueFrom: from("campus-db")}, {Name: "PAY", ValueFrom: from("hidden-payment")}},
		EnvFrom:      []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "campus-env"}}}},
		VolumeMounts: []corev1.VolumeMount{{Name: "files", MountPath: "/var/lib/campus"}, {Name: "config", MountPath: "/etc/campus"}, {Name: "node", MountPath: "/host"}},
	}
	volumes := []corev1.Volume{
		{Name: "files", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "campus-files"}}},
		{Name: "config", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "campus-config"}}},
		{Name: "node", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}},
	}
	postgres := corev1.Container{
		Name: "postgres", Image: "postgres:15", Env: []corev1.EnvVar{{Name: "PGDATA", Value: "/var/lib/postgresql/data/pg"}},
		VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/var/lib/postgresql/data"}},
	}
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "campus", Name: name, Labels: tracking}
	}
	deployment := func(name, app string, template corev1.PodTemplateSpec) *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: named(name), Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: selector(app)}, Template: template,
		}}
	}
	service := func(name, app string) corev1.Service {
		return corev1.Service{ObjectMeta: named(name), Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, Selector: selector(app), Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}},
		}}
	}
	workloads := map[string]*appsv1.Deployment{
		"web": deployment("campus-web", "web", pod("web", app, volumes...)), "cron": deployment("campus-cron", "cron", pod("cron", app, volumes...)),
	}
	database := &appsv1.StatefulSet{ObjectMeta: named("campus-db"), Spec: appsv1.StatefulSetSpec{
		ServiceName: "campus-db", Selector: &metav1.LabelSelector{MatchLabels: selector("db")}, Template: pod("db", postgres),
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}},
	}}
	return workloads, database, []corev1.Service{service("campus-db", "db"), service("campus-web", "web")}
}

// story runs the real steps against a fake API server, and plays the kubelet.
type story struct {
	t      *testing.T
	view   View
	engine pipeline.Engine
	clock  *clocktesting.FakeClock
	made   []client.Object // in order
	fails  map[string]task.Result
	sick   func(client.Object) // what is made does not come up; nil: it does
}

func tell(t *testing.T, view View) *story {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &story{t: t, view: view, clock: clocktesting.NewFakeClock(noon), fails: map[string]task.Result{}}
	server := fake.NewClientBuilder().WithScheme(scheme).WithObjects(view.Env.DeepCopy()).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			obj.SetUID(types.UID(fmt.Sprintf("uid-%d", len(s.made)+1)))
			s.made = append(s.made, obj.DeepCopyObject().(client.Object))
			run(obj)
			if s.sick != nil {
				s.sick(obj)
			}
			return c.Create(ctx, obj, opts...)
		},
	}).Build()
	s.engine = pipeline.Engine{Client: server, Live: server, Clock: s.clock, Reports: s}
	view.Env.Status.Steps = pipeline.Ledger(Steps)
	return s
}

// run is what drivers and kubelets do.
func run(obj client.Object) {
	switch o := obj.(type) {
	case *snapshotv1.VolumeSnapshot:
		o.Status = &snapshotv1.VolumeSnapshotStatus{ReadyToUse: ptr.To(true)}
	case *appsv1.Deployment:
		o.Status.ReadyReplicas = 1
	case *appsv1.StatefulSet:
		o.Status.ReadyReplicas = 1
	}
}

func (s *story) Outcome(_ context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	o := pipeline.JobOutcome{State: pipeline.JobSucceeded, Started: s.clock.Now(), Ended: s.clock.Now().Add(time.Minute), Result: task.Result{
		OK: true, Facts: map[string]string{"version.database": "1.0", "count.users": "7", "count.rows": "9", "smoke.passed": "3", "smoke.checks": "3"},
	}}
	if result, ok := s.fails[job.Name]; ok {
		o.State, o.Result = pipeline.JobFailed, result
	}
	return o, nil
}

func (s *story) Keep(context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (s *story) Store(context.Context, pipeline.Owner, *v1alpha1.StepStatus, string, []byte) (v1alpha1.Evidence, error) {
	return v1alpha1.Evidence{}, nil
}

// walk runs until nothing moves any more.
func (s *story) walk() pipeline.Verdict {
	s.t.Helper()
	var verdict pipeline.Verdict
	for range 20 {
		var err error
		verdict, err = pipeline.Run(s.t.Context(), s.engine, s.view.Env, Steps, s.view, &s.view.Env.Status.Steps)
		if err != nil {
			s.t.Fatal(err)
		}
		s.clock.Step(time.Second)
	}
	return verdict
}
