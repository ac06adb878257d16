// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
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
	"github.com/gradus-lms/gradus/internal/task"
)

// story runs the real pipeline against a fake API server. What Jobs, drivers
// and environments do is told by the test.
type story struct {
	t       *testing.T
	client  client.Client
	clock   *clocktesting.FakeClock
	view    View
	outcome map[string]pipeline.JobOutcome // by step of the Job
	made    []string                       // kinds and steps, in the order in which they were made
	deleted []string
}

func tell(t *testing.T, change ...func(*View)) *story {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &story{t: t, clock: clocktesting.NewFakeClock(noon), view: campus(t, change...), outcome: map[string]pipeline.JobOutcome{}}
	s.view.Backup.Status.Steps = pipeline.Ledger(Steps)
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(s.view.Backup.DeepCopy()).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			obj.SetUID(types.UID(fmt.Sprintf("uid-%d", len(s.made))))
			s.made = append(s.made, fmt.Sprintf("%T of %s", obj, obj.GetLabels()[v1alpha1.StepLabel]))
			return c.Create(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			s.deleted = append(s.deleted, fmt.Sprintf("%T", obj))
			return c.Delete(ctx, obj, opts...)
		},
	}).Build()
	return s
}

// Outcome, Keep and Store let the story be pipeline.Reports.
func (s *story) Outcome(_ context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	if o, ok := s.outcome[job.Labels[v1alpha1.StepLabel]]; ok {
		return o, nil
	}
	return pipeline.JobOutcome{State: pipeline.JobRunning}, nil
}

func (s *story) Keep(context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (s *story) Store(context.Context, pipeline.Owner, *v1alpha1.StepStatus, string, []byte) (v1alpha1.Evidence, error) {
	return v1alpha1.Evidence{}, nil
}

// reconcile does what the controller does, once.
func (s *story) reconcile() pipeline.Verdict {
	s.t.Helper()
	ctx := s.t.Context()
	s.view.Stored = slices.Clone(s.view.Backup.Status.Copies)
	var environments v1alpha1.StagingEnvironmentList
	if err := s.client.List(ctx, &environments); err != nil {
		s.t.Fatal(err)
	}
	s.view.Environments = environments.Items
	Reopen(s.view)
	e := pipeline.Engine{Client: s.client, Live: s.client, Clock: s.clock, Reports: s}
	verdict, err := pipeline.Run(ctx, e, s.view.Backup, Steps, s.view, &s.view.Backup.Status.Steps)
	if err != nil {
		s.t.Fatal(err)
	}
	return verdict
}

// settle reconciles until nothing moves any more.
func (s *story) settle() pipeline.Verdict {
	s.t.Helper()
	var verdict pipeline.Verdict
	for range 12 {
		verdict = s.reconcile()
	}
	return verdict
}

// says lets the Jobs of a step succeed.
func (s *story) says(step string, facts map[string]string) {
	s.outcome[step] = pipeline.JobOutcome{State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: facts}, Started: noon, Ended: noon.Add(time.Minute)}
}

// snapshotsReady lets the driver finish the snapshots of a step.
func (s *story) snapshotsReady(step string) {
	s.t.Helper()
	var list snapshotv1.VolumeSnapshotList
	if err := s.client.List(s.t.Context(), &list, client.MatchingLabels{v1alpha1.StepLabel: step}); err != nil {
		s.t.Fatal(err)
	}
	for i := range list.Items {
		snapshot := &list.Items[i]
		ready, content := takenSnapshot()
		ready.Status.BoundVolumeSnapshotContentName = ptr.To("content-" + string(snapshot.UID))
		content.Name, content.Spec.VolumeSnapshotRef.UID = *ready.Status.BoundVolumeSnapshotContentName, snapshot.UID
		snapshot.Status = ready.Status
		s.view.Contents[content.Name] = content
		if err := s.client.Update(s.t.Context(), snapshot); err != nil {
			s.t.Fatal(err)
		}
	}
}

// proofSays gives the scratch environment a condition.
func (s *story) proofSays(c metav1.Condition) {
	s.t.Helper()
	var list v1alpha1.StagingEnvironmentList
	if err := s.client.List(s.t.Context(), &list); err != nil || len(list.Items) != 1 {
		s.t.Fatalf("%d environments, %v", len(list.Items), err)
	}
	list.Items[0].Status.Conditions = []metav1.Condition{c}
	if err := s.client.Update(s.t.Context(), &list.Items[0]); err != nil {
		s.t.Fatal(err)
	}
}

// holds lets somebody else hold the scratch environment by finalizers.
func (s *story) holds(finalizers ...string) {
	s.t.Helper()
	var list v1alpha1.StagingEnvironmentList
	if err := s.client.List(s.t.Context(), &list); err != nil || len(list.Items) != 1 {
		s.t.Fatalf("%d environments, %v", len(list.Items), err)
	}
	list.Items[0].Finalizers = finalizers
	if err := s.client.Update(s.t.Context(), &list.Items[0]); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) state(step string) v1alpha1.StepState {
	for _, entry := range s.view.Backup.Status.Steps {
		if entry.Name == step {
			return entry.State
		}
	}
	return ""
}

// upToTheProof lets everything succeed that comes before the snapshots are proven.
func (s *story) upToTheProof() {
	s.settle()
	s.says("Dump", dumpFacts())
	s.settle()
	s.snapshotsReady("SnapshotDatabase")
	s.settle()
	s.snapshotsReady("SnapshotFiles")
	s.says("CopyFiles", map[string]string{"hash-rest.digest": "cc33"})
	s.says("VerifyDump", map[string]string{"verify-dump.sha256": "aa11"})
	s.settle()
}

func TestStoryOfABackup(t *testing.T) {
	s := tell(t)
	s.upToTheProof()
	s.proofSays(condition(v1alpha1.ReadyCondition, metav1.ConditionTrue, "Serving"))
	if got := s.settle(); got.State != v1alpha1.StepPassed {
		t.Fatalf("%s %s: %s", got.State, got.Reason, got.Message)
	}
	want := []string{
		"*v1.Job of Dump", "*v1.VolumeSnapshot of SnapshotDatabase", "*v1.Job of VerifyDump", "*v1.VolumeSnapshot of SnapshotFiles",
		"*v1.Job of CopyFiles", "*v1alpha1.StagingEnvironment of VerifySnapshots",
	}
	slices.Sort(want)
	made := slices.Sorted(slices.Values(s.made))
	if !slices.Equal(made, want) {
		t.Errorf("made %v", s.made)
	}
	for _, files := range []string{"*v1.VolumeSnapshot of SnapshotFiles", "*v1.Job of CopyFiles"} {
		if slices.Index(s.made, files) < slices.Index(s.made, "*v1.VolumeSnapshot of SnapshotDatabase") {
			t.Errorf("%s came before the database's instant", files)
		}
	}
	if !slices.Equal(s.deleted, []string{"*v1alpha1.StagingEnvironment"}) {
		t.Errorf("deleted %v: a backup keeps its snapshots and Jobs", s.deleted)
	}
	if ok, _, message := Proof(s.view.Site, s.view.Backup); !ok || len(s.view.Backup.Status.Copies) != 4 {
		t.Errorf("%d copies: %s", len(s.view.Backup.Status.Copies), message)
	}
}

func TestFilesComeAfterTheInstantOfTheDatabase(t *testing.T) {
	s := tell(t)
	s.settle()
	s.says("Dump", dumpFacts())
	s.settle()
	for _, step := range []string{"SnapshotFiles", "CopyFiles"} {
		if got := s.state(step); got != v1alpha1.StepPending {
			t.Errorf("the database's snapshot is not taken, and %s is %s", step, got)
		}
	}
}

func TestAFailedProofLeavesNoCopy(t *testing.T) {
	s := tell(t)
	s.upToTheProof()
	s.proofSays(condition(v1alpha1.StalledCondition, metav1.ConditionTrue, "BlobMissing"))
	if got := s.settle(); got.State != v1alpha1.StepFailed || got.Reason != "BlobMissing" {
		t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
	}
	if s.state("RemoveProof") != v1alpha1.StepPassed || len(s.view.Environments) > 0 {
		t.Errorf("RemoveProof is %s, %d copies are left", s.state("RemoveProof"), len(s.view.Environments))
	}
	// A person asks for another attempt; its copy goes as well.
	s.view.Backup.Annotations = map[string]string{v1alpha1.RetryAnnotation: "VerifySnapshots@1"}
	s.settle()
	s.proofSays(condition(v1alpha1.ReadyCondition, metav1.ConditionTrue, "Serving"))
	if got := s.settle(); got.State != v1alpha1.StepPassed || len(s.deleted) != 2 {
		t.Errorf("%s %s: %s; deleted %v", got.State, got.Reason, got.Message, s.deleted)
	}
}

func TestACopyThatIsSlowToGoCostsNoBackup(t *testing.T) {
	s := tell(t)
	s.upToTheProof()
	s.holds("campus.example/hold")
	s.proofSays(condition(v1alpha1.ReadyCondition, metav1.ConditionTrue, "Serving"))
	s.settle()
	s.clock.Step(11 * time.Minute)
	got := s.settle()
	if got.State != v1alpha1.StepWaiting || got.Reason != v1alpha1.TimedOutReason || !strings.Contains(got.Message, "being removed") {
		t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
	}
	s.holds()
	if got := s.settle(); got.State != v1alpha1.StepPassed || len(s.view.Environments) > 0 {
		t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
	}
}

func TestADriverThatNeverFinishesIsNotWaitedForForEver(t *testing.T) {
	s := tell(t)
	s.settle()
	s.says("Dump", dumpFacts())
	s.settle()
	s.clock.Step(16 * time.Minute)
	s.reconcile()
	if got := s.state("SnapshotDatabase"); got != v1alpha1.StepFailed {
		t.Errorf("SnapshotDatabase is %s after 16 minutes", got)
	}
}

func TestMendingTheSiteIsEnough(t *testing.T) {
	s := tell(t, func(v *View) { v.Site.Spec.Backup.Locations[1].FailureDomain = "storage" })
	if got := s.settle(); got.Reason != "OneFailureDomain" || len(s.made) > 0 {
		t.Fatalf("%s; made %v", got.Reason, s.made)
	}
	s.view.Site.Spec.Backup.Locations[1].FailureDomain = "vault"
	s.upToTheProof()
	s.proofSays(condition(v1alpha1.ReadyCondition, metav1.ConditionTrue, "Serving"))
	if got := s.settle(); got.State != v1alpha1.StepPassed || len(s.deleted) != 1 {
		t.Errorf("%s %s: %s; deleted %v", got.State, got.Reason, got.Message, s.deleted)
	}
}

// The ledger and the names of children are part of the API.
func TestStepsInOrder(t *testing.T) {
	var names []string
	for _, step := range Steps {
		names = append(names, step.Name)
		if step.Judge == nil {
			t.Errorf("%s does not judge", step.Name)
		}
		for _, need := range step.Needs {
			if !slices.Contains(names, need) {
				t.Errorf("%s needs %s, which does not come before it", step.Name, need)
			}
		}
	}
	want := []string{"Resolve", "Dump", "SnapshotDatabase", "SnapshotFiles", "CopyFiles", "VerifyDump", "VerifySnapshots", "RemoveProof"}
	if !slices.Equal(names, want) {
		t.Errorf("steps: %v", names)
	}
}
