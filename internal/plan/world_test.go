// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
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
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// noon of a Wednesday, between the clock changes of Europe/Berlin.
var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// autumn is a plan whose every step before go-live is done.
func autumn(t *testing.T, change ...func(*View)) View {
	t.Helper()
	known, err := profile.Load("campus")
	if err != nil {
		t.Fatal(err)
	}
	v := View{
		Plan: planOf(), Site: siteOf(), Profile: &known, Holder: "autumn", Now: noon, Location: berlin(t),
		Install: environment.Install{Image: "gradus:test"},
		Workloads: map[string]*appsv1.Deployment{
			"web": {Spec: appsv1.DeploymentSpec{Replicas: ptr.To(int32(3)), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "app", Image: "campus:1.0"}}}}}},
		},
		Database: &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{ServiceName: "campus-db"}},
		Backup: &v1alpha1.SiteBackup{
			ObjectMeta: metav1.ObjectMeta{Name: "autumn-backup-1", CreationTimestamp: metav1.NewTime(noon.Add(-2 * time.Hour))},
			Status: v1alpha1.SiteBackupStatus{
				Taken: ptr.To(metav1.NewTime(noon.Add(-2 * time.Hour))),
				Conditions: []metav1.Condition{
					{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue},
					{Type: v1alpha1.VerifiedCondition, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-110 * time.Minute))},
				},
				Copies: []v1alpha1.BackupCopy{
					{Volume: "database", Consistency: "Crash", TookRestore: minutes(99)},
					{Volume: "database", Consistency: "Logical", TookRestore: minutes(40)},
				},
			},
		},
		Trial: &v1alpha1.TrialUpgrade{
			ObjectMeta: metav1.ObjectMeta{Name: "autumn-trial-1", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))},
			Status: v1alpha1.TrialUpgradeStatus{
				ReportDigest: "sha256:bbbb",
				Conditions:   []metav1.Condition{{Type: v1alpha1.PassedCondition, Status: metav1.ConditionTrue, Reason: "Passed"}},
				Parts: []v1alpha1.TimedPart{
					{Name: "recover database", Measured: minutes(500)}, // nobody is shut out for it
					{Name: "hop to 1.5", Measured: minutes(20)}, {Name: "hop to 3.0", Measured: minutes(60)},
					{Name: "verify", Measured: minutes(10)}, {Name: "not measured"},
				},
			},
		},
		Staging: &v1alpha1.StagingEnvironment{
			ObjectMeta: metav1.ObjectMeta{Name: "autumn-staging-1"},
			Status: v1alpha1.StagingEnvironmentStatus{
				Version: "3.0", Before: []v1alpha1.Count{{Name: "users", Value: "7"}}, After: []v1alpha1.Count{{Name: "users", Value: "7"}},
				Steps: []v1alpha1.StepStatus{{Name: "Smoke", Message: "3 of 3 checks passed"}},
			},
		},
	}
	upgrade := order.Upgrade(v.Plan)
	v.Trial.Spec.Upgrade, v.Staging.Spec.Upgrade = upgrade, upgrade.DeepCopy()
	v.Plan.Status.Releases = v.pinned()
	for _, c := range change {
		c(&v)
	}
	return v
}

func planOf() *v1alpha1.UpgradePlan {
	p := &v1alpha1.UpgradePlan{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "campus", Name: "autumn", UID: "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11", Generation: 2,
			Annotations: map[string]string{v1alpha1.AuthorsAnnotation: "ann"},
		},
		Spec: v1alpha1.UpgradePlanSpec{
			SiteRef: v1alpha1.LocalRef{Name: "campus"},
			Target: v1alpha1.Target{Version: "3.0", Releases: []v1alpha1.Release{
				{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0"},
			}},
			Rollout:       v1alpha1.Rollout{Window: &v1alpha1.Window{Opens: "2026-12-19T20:00", Closes: "2026-12-20T12:00"}},
			ChangeControl: v1alpha1.ChangeControl{Ticket: v1alpha1.Ticket{ID: "CHG-7", URL: "https://tickets.example/7"}, Approvers: []string{"owners"}},
		},
		Status: v1alpha1.UpgradePlanStatus{
			Summary: v1alpha1.PlanSummary{From: "1.0"}, Backup: "autumn-backup-1", Trial: "autumn-trial-1", Staging: "autumn-staging-1",
			Hops: []v1alpha1.HopResult{
				{Hop: v1alpha1.Hop{From: "1.0", To: "1.5", Reason: "3.0 requires 1.5"}, Took: minutes(20)},
				{Hop: v1alpha1.Hop{From: "1.5", To: "3.0", Reason: "the target"}, Took: minutes(60)},
			},
			Inventory: &v1alpha1.InventoryStatus{Digest: "sha256:aa", DatabaseVersion: "PostgreSQL 15.18 (Debian)"},
		},
	}
	for _, step := range Steps {
		state := v1alpha1.StepPassed
		if step.Name == v1alpha1.StepGoLive {
			state = v1alpha1.StepWaiting
		}
		if len(p.Status.Steps) > 14 {
			state = v1alpha1.StepPending
		}
		p.Status.Steps = append(p.Status.Steps, v1alpha1.StepStatus{Name: step.Name, State: state, Attempt: 1})
	}
	return p
}

func siteOf() *v1alpha1.Site {
	return &v1alpha1.Site{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus"},
		Spec: v1alpha1.SiteSpec{
			Profile: "campus", URL: "https://campus.example", TimeZone: "Europe/Berlin",
			Workloads: []v1alpha1.Workload{
				{Name: "web", Role: v1alpha1.RoleWeb, TargetRef: v1alpha1.WorkloadRef{Kind: "Deployment", Name: "campus-web"}, ApplicationContainer: "app"},
				{Name: "cron", Role: v1alpha1.RoleCron, TargetRef: v1alpha1.WorkloadRef{Kind: "Deployment", Name: "campus-cron"}, ApplicationContainer: "app"},
			},
			Traffic: v1alpha1.Traffic{ServiceRef: v1alpha1.LocalRef{Name: "campus-web"}},
			Database: v1alpha1.Database{Name: "campus", Port: 5432, OwnerSecretRef: v1alpha1.LocalRef{Name: "campus-db"},
				ReaderSecretRef: v1alpha1.LocalRef{Name: "campus-db-reader"}},
			Backup: v1alpha1.Backup{Locations: []v1alpha1.BackupLocation{
				{Name: "snapshots", Holds: []v1alpha1.BackupContent{v1alpha1.HoldsDatabase}, FailureDomain: "storage"},
			}},
			Calendar:     v1alpha1.Calendar{Freezes: []v1alpha1.Freeze{{Name: "exams", From: "2027-01-25", To: "2027-02-12"}}},
			ProbeAccount: &v1alpha1.LocalRef{Name: "campus-probe"},
		},
	}
}

// bench runs one step of the plan alone, against a fake API server.
type bench struct {
	t       *testing.T
	engine  pipeline.Engine
	clock   *clocktesting.FakeClock
	view    View
	step    pipeline.Step[View]
	ledger  []v1alpha1.StepStatus
	made    []client.Object
	outcome pipeline.JobOutcome
	kept    map[string][]byte
}

func only(t *testing.T, v View, name string) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{t: t, view: v, clock: clocktesting.NewFakeClock(v.Now), kept: map[string][]byte{}}
	for _, step := range Steps {
		if step.Name == name {
			b.step = step
		}
	}
	b.step.Needs = pipeline.None
	b.ledger = []v1alpha1.StepStatus{{Name: name, State: v1alpha1.StepPending}}
	server := fake.NewClientBuilder().WithScheme(scheme).WithObjects(v.Plan.DeepCopy()).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			obj.SetUID(types.UID(fmt.Sprintf("uid-%d", len(b.made)+1)))
			b.made = append(b.made, obj.DeepCopyObject().(client.Object))
			return c.Create(ctx, obj, opts...)
		},
	}).Build()
	b.engine = pipeline.Engine{Client: server, Live: server, Clock: b.clock, Reports: b}
	return b
}

func (b *bench) Outcome(context.Context, *batchv1.Job) (pipeline.JobOutcome, error) {
	return b.outcome, nil
}

func (b *bench) Keep(context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (b *bench) Store(_ context.Context, _ pipeline.Owner, _ *v1alpha1.StepStatus, name string, content []byte) (v1alpha1.Evidence, error) {
	b.kept[name] = content
	return v1alpha1.Evidence{Name: name}, nil
}

// run walks once and gives the entry.
func (b *bench) run() v1alpha1.StepStatus {
	b.t.Helper()
	b.view.Now = b.clock.Now()
	_, err := pipeline.Run(b.t.Context(), b.engine, b.view.Plan, []pipeline.Step[View]{b.step}, b.view, &b.ledger)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.ledger[0]
}

func succeeded(facts ...string) pipeline.JobOutcome {
	o := pipeline.JobOutcome{State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: map[string]string{}}}
	for i := 0; i+1 < len(facts); i += 2 {
		o.Result.Facts[facts[i]] = facts[i+1]
	}
	return o
}
