// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func TestSupport(t *testing.T) {
	opened := metav1.NewTime(noon)
	b := only(t, autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Opened: &opened}}
		v.Plan.Spec.Support.Until.Days = 1
	}), v1alpha1.StepSupport)
	b.outcome = succeeded()
	b.run()
	if e := b.run(); e.State != v1alpha1.StepRunning || len(b.made) != 1 {
		t.Fatalf("%+v, %d looks", e, len(b.made))
	}
	b.clock.Step(time.Hour)
	b.outcome = pipeline.JobOutcome{State: pipeline.JobFailed, Message: "502"}
	b.run()
	if e := b.run(); e.State != v1alpha1.StepWaiting || !strings.Contains(e.Message, "502") || len(b.made) != 2 {
		t.Fatalf("%+v, %d looks", e, len(b.made))
	}
	b.clock.SetTime(noon.Add(24*time.Hour + time.Minute))
	b.run()
	if e := b.run(); e.State != v1alpha1.StepWaiting {
		t.Fatalf("support ends with a look that failed: %+v", e)
	}
	looks := len(b.made)
	b.clock.Step(time.Hour)
	b.outcome = succeeded()
	b.run()
	if e := b.run(); e.State != v1alpha1.StepPassed || len(b.made) != looks+1 {
		t.Errorf("the site is well again and support does not end: %+v, %d looks", e, len(b.made))
	}
}

func TestSupportThatWasOverBeforeItBegan(t *testing.T) {
	opened := metav1.NewTime(noon.Add(-time.Hour))
	b := only(t, autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Opened: &opened}}
		v.Plan.Spec.Support.Until.Duration = minutes(1)
	}), v1alpha1.StepSupport)
	b.outcome = succeeded()
	b.run()
	if e := b.run(); e.State != v1alpha1.StepPassed || len(b.made) != 1 || strings.Contains(b.made[0].GetName(), "--") {
		t.Errorf("%+v, made %v", e, b.made)
	}
}

func TestWhatGoLiveScalesIsToldBefore(t *testing.T) {
	scale := func(workload string, n int32) View {
		return autumn(t, func(v *View) {
			v.Plan.Spec.Infrastructure.Scale = []v1alpha1.WorkloadScale{{Workload: workload, Replicas: n}}
		})
	}
	got := prepareInfrastructure.Judge(scale("web", 9), pipeline.At{}, pipeline.Seen{})
	if got.State != v1alpha1.StepPassed || !strings.Contains(got.Message, "to 9") {
		t.Errorf("%s: %s", got.State, got.Message)
	}
	got = prepareInfrastructure.Judge(scale("forum", 9), pipeline.At{}, pipeline.Seen{})
	if got.State != v1alpha1.StepFailed || !strings.Contains(got.Message, "spec.infrastructure.scale[forum]") {
		t.Errorf("%s: %s", got.State, got.Message)
	}
}

func TestThePlanEndsWhenTheExtraPodsAreGone(t *testing.T) {
	v := autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{}
		v.GoLive.Status.Changes = []v1alpha1.Change{{ID: "scale-web", Undo: v1alpha1.UndoAlways, State: v1alpha1.ChangeApplied}}
	})
	if got := celebrate.Judge(v, pipeline.At{}, pipeline.Seen{}); got.State == v1alpha1.StepPassed {
		t.Error("over, with extra pods")
	}
	v.GoLive.Status.Changes[0].State = v1alpha1.ChangeUndone
	if got := celebrate.Judge(v, pipeline.At{}, pipeline.Seen{}); got.State != v1alpha1.StepPassed {
		t.Errorf("%s: %s", got.State, got.Message)
	}
}

func TestAPlanThatEndsLeavesNoStepRunning(t *testing.T) {
	v := autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{}
		v.GoLive.Name = "autumn-golive-1"
		v.GoLive.Status.Steps = []v1alpha1.StepStatus{{Name: "Commit", State: v1alpha1.StepPassed},
			{Name: "Hops", State: v1alpha1.StepFailed, Reason: "HopFailed", Message: "a plugin is broken"}}
		v.Plan.Status.Steps = []v1alpha1.StepStatus{
			{Name: v1alpha1.StepTest, State: v1alpha1.StepPassed}, {Name: v1alpha1.StepGoLive, State: v1alpha1.StepRunning},
			{Name: v1alpha1.StepSupport, State: v1alpha1.StepWaiting}, {Name: v1alpha1.StepReview, State: v1alpha1.StepPending},
		}
	})
	end(v, v1alpha1.PlanRolledBack, pipeline.Verdict{State: v1alpha1.StepPassed, Reason: rolledBackReason, Message: "rolled back: 1.0"})
	want := []v1alpha1.StepState{v1alpha1.StepPassed, v1alpha1.StepFailed, v1alpha1.StepSkipped, v1alpha1.StepPending}
	for i, e := range v.Plan.Status.Steps {
		if e.State != want[i] {
			t.Errorf("%s is %s, want %s", e.Name, e.State, want[i])
		}
	}
	failed := v.Plan.Status.Steps[1]
	if failed.Reason != "HopFailed" || !strings.Contains(failed.Message, "a plugin is broken; rolled back") || failed.Finished == nil {
		t.Errorf("%+v", failed)
	}
	v.Plan.Status.Steps[1].State, v.GoLive.Status.Steps[1].Message = v1alpha1.StepRunning, strings.Repeat("ü", 500)
	end(v, v1alpha1.PlanAborted, pipeline.Verdict{State: v1alpha1.StepPassed, Message: strings.Repeat("ü", 500)})
	if n := len(v.Plan.Status.Steps[1].Message); n > 1024 {
		t.Errorf("a status that is refused: %d bytes", n)
	}
}
