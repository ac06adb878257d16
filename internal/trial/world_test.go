// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

// rehearsal of 1.0 to 3.0 with a stop at 1.5.
func rehearsal(change ...func(*v1alpha1.TrialUpgrade)) *v1alpha1.TrialUpgrade {
	t := &v1alpha1.TrialUpgrade{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn", UID: "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11", Generation: 1},
		Spec: v1alpha1.TrialUpgradeSpec{
			SiteRef: v1alpha1.LocalRef{Name: "campus"}, BackupRef: v1alpha1.LocalRef{Name: "nightly"},
			Upgrade: v1alpha1.UpgradeSpec{
				From:     "1.0",
				Hops:     []v1alpha1.Hop{{From: "1.0", To: "1.5"}, {From: "1.5", To: "3.0"}},
				Releases: []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0"}},
			},
		},
		Status: v1alpha1.TrialUpgradeStatus{Steps: pipeline.Ledger(Steps)},
	}
	for _, c := range change {
		c(t)
	}
	return t
}

// nightly is a proven backup of that site.
func nightly(change ...func(*v1alpha1.SiteBackup)) *v1alpha1.SiteBackup {
	b := &v1alpha1.SiteBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "nightly"},
		Spec:       v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}},
		Status: v1alpha1.SiteBackupStatus{Version: "1.0", Conditions: []metav1.Condition{
			{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "BackupTaken", Message: "4 copies"},
			{Type: v1alpha1.VerifiedCondition, Status: metav1.ConditionTrue, Reason: "RestoredAndCompared", Message: "4 copies"},
		}},
	}
	for _, c := range change {
		c(b)
	}
	return b
}

// copyOf is an environment of the trial in some state.
func copyOf(change ...func(*v1alpha1.StagingEnvironment)) *v1alpha1.StagingEnvironment {
	env := &v1alpha1.StagingEnvironment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn-trial-1-0b4cdd3e", UID: "env-1"},
		Status: v1alpha1.StagingEnvironmentStatus{
			Version: "3.0",
			Hops: []v1alpha1.HopResult{
				{Hop: v1alpha1.Hop{From: "1.0", To: "1.5"}, Verdict: "Passed", Version: "1.5", Took: took(time.Minute)},
				{Hop: v1alpha1.Hop{From: "1.5", To: "3.0"}, Verdict: "Passed", Version: "3.0", Took: took(time.Hour)},
			},
			Parts:    []v1alpha1.TimedPart{{Name: "recover database", Measured: took(time.Second)}},
			Before:   []v1alpha1.Count{{Name: "posts", Value: "3"}, {Name: "users", Value: "7"}},
			After:    []v1alpha1.Count{{Name: "users", Value: "7"}},
			Findings: []v1alpha1.Finding{{Severity: v1alpha1.SeverityMinor, Code: "SlowQuery", Message: "one query took 3 s"}},
		},
	}
	for _, c := range change {
		c(env)
	}
	return env
}

func took(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

func ready(env *v1alpha1.StagingEnvironment) {
	env.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Serving"}}
}

// stalled in a step, with the reason that the step gave.
func stalled(step, key, reason, message string) func(*v1alpha1.StagingEnvironment) {
	return func(env *v1alpha1.StagingEnvironment) {
		env.Status.Conditions = []metav1.Condition{
			{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, Reason: reason, Message: message},
			{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse, Reason: reason, Message: message},
		}
		env.Status.Steps = append(env.Status.Steps, v1alpha1.StepStatus{
			Name: step, Key: key, State: v1alpha1.StepFailed, Reason: reason, Message: message})
	}
}

// story runs the real pipeline against a fake API server.
type story struct {
	t       *testing.T
	client  client.Client
	clock   *clocktesting.FakeClock
	view    View
	remains []string
	made    int
	deleted int
}

func tell(t *testing.T, trial *v1alpha1.TrialUpgrade) *story {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, clock: clocktesting.NewFakeClock(noon), view: View{Trial: trial, Backup: nightly()}}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			s.made++
			obj.SetUID(types.UID(fmt.Sprintf("env-%d", s.made)))
			return c.Create(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			s.deleted++
			return c.Delete(ctx, obj, opts...)
		},
	}).Build()
	return s
}

// Outcome, Keep and Store let the story be pipeline.Reports: a trial has no Jobs.
func (s *story) Outcome(context.Context, *batchv1.Job) (pipeline.JobOutcome, error) {
	return pipeline.JobOutcome{}, nil
}

func (s *story) Keep(
	context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome,
) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (s *story) Store(context.Context, pipeline.Owner, *v1alpha1.StepStatus, string, []byte) (v1alpha1.Evidence, error) {
	return v1alpha1.Evidence{}, nil
}

// reconcile does what the controller does, once.
func (s *story) reconcile() pipeline.Verdict {
	s.t.Helper()
	s.view.Now, s.view.Environments = s.clock.Now(), s.copies()
	s.view.Looked = TornDown(s.view.Trial)
	s.view.Remains = nil
	if s.view.Looked {
		s.view.Remains = s.remains
	}
	Reopen(s.view)
	e := pipeline.Engine{Client: s.client, Live: s.client, Clock: s.clock, Reports: s}
	verdict, err := pipeline.Run(s.t.Context(), e, s.view.Trial, Steps, s.view, &s.view.Trial.Status.Steps)
	if err != nil {
		s.t.Fatal(err)
	}
	return Conclude(s.view.Trial, verdict)
}

func (s *story) settle() pipeline.Verdict {
	s.t.Helper()
	var verdict pipeline.Verdict
	for range 6 {
		verdict = s.reconcile()
	}
	return verdict
}

func (s *story) copies() []v1alpha1.StagingEnvironment {
	s.t.Helper()
	var list v1alpha1.StagingEnvironmentList
	if err := s.client.List(s.t.Context(), &list); err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// copySays gives the trial's copy the status of another.
func (s *story) copySays(like *v1alpha1.StagingEnvironment) {
	s.t.Helper()
	all := s.copies()
	if len(all) != 1 {
		s.t.Fatalf("%d copies", len(all))
	}
	all[0].Status = like.Status
	if err := s.client.Update(s.t.Context(), &all[0]); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) state(step string) v1alpha1.StepState {
	i := slices.IndexFunc(s.view.Trial.Status.Steps, func(e v1alpha1.StepStatus) bool { return e.Name == step })
	return s.view.Trial.Status.Steps[i].State
}
