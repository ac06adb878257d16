// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func TestStoryOfATrialThatPasses(t *testing.T) {
	s := tell(t, rehearsal())
	s.settle()
	env := s.copies()[0]
	if env.Spec.Purpose != v1alpha1.PurposeTrial || env.Spec.BackupRef.Name != "nightly" || len(env.Spec.Upgrade.Hops) != 2 {
		t.Fatalf("made %+v", env.Spec)
	}
	s.copySays(copyOf(ready))
	got := s.settle()
	if got.State != v1alpha1.StepPassed || got.Reason != "TrialPassed" {
		t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
	}
	if s.made != 1 || s.deleted != 1 || s.state("ProveGone") != v1alpha1.StepPassed {
		t.Errorf("made %d, deleted %d, ProveGone %s", s.made, s.deleted, s.state("ProveGone"))
	}
	if s.state("RehearseWayBack") != v1alpha1.StepSkipped {
		t.Errorf("RehearseWayBack is %s: it must not claim what nobody did", s.state("RehearseWayBack"))
	}
	if known, passed := Verdict(s.view.Trial); !known || !passed || s.view.Trial.Status.KeptUntil != nil {
		t.Errorf("verdict %v %v, kept until %v", known, passed, s.view.Trial.Status.KeptUntil)
	}
}

func TestAFailedCopyIsKeptForPeopleAndThenGone(t *testing.T) {
	s := tell(t, rehearsal(func(t *v1alpha1.TrialUpgrade) { t.Spec.KeepOnFailure = &metav1.Duration{Duration: 48 * time.Hour} }))
	s.settle()
	s.copySays(copyOf(stalled("Upgrade", "3.0", "PluginDependency", "plugin missing")))
	got := s.settle()
	// The report is in: nobody waits two days to hear it.
	if got.State != v1alpha1.StepPassed || got.Reason != "TrialFailed" || !got.Until.Equal(noon.Add(48*time.Hour)) || s.deleted != 0 {
		t.Errorf("%s %s until %s, %d deleted: %s", got.State, got.Reason, got.Until, s.deleted, got.Message)
	}
	s.clock.Step(48*time.Hour + time.Second)
	if got = s.settle(); got.State != v1alpha1.StepPassed || s.deleted != 1 || s.state("ProveGone") != v1alpha1.StepPassed {
		t.Errorf("%s, %d deleted, ProveGone %s", got.State, s.deleted, s.state("ProveGone"))
	}
}

func TestACopyThatPassedIsNotKept(t *testing.T) {
	s := tell(t, rehearsal(func(t *v1alpha1.TrialUpgrade) { t.Spec.KeepOnFailure = &metav1.Duration{Duration: 48 * time.Hour} }))
	s.settle()
	s.copySays(copyOf(ready))
	if s.settle(); s.deleted != 1 {
		t.Error("the copy still stands")
	}
}

func TestATrialThatCouldNotBeCarriedOutStallsAndLeavesNothing(t *testing.T) {
	s := tell(t, rehearsal())
	s.settle()
	s.copySays(copyOf(stalled("CloneVolumes", "files", v1alpha1.TimedOutReason, "exceeded quota")))
	if got := s.settle(); got.State != v1alpha1.StepFailed || s.deleted != 1 {
		t.Errorf("%s %s, %d deleted", got.State, got.Reason, s.deleted)
	}
	if known, _ := Verdict(s.view.Trial); known {
		t.Error("a trial that was not carried out has no verdict")
	}
	// A person mends the quota and asks for another attempt.
	s.view.Trial.Annotations = map[string]string{v1alpha1.RetryAnnotation: "Rehearse@1"}
	s.settle()
	if names := EnvironmentNames(s.view.Trial); len(names) != 2 || s.copies()[0].Name != names[1] {
		t.Errorf("copies can be named %v", names)
	}
	s.copySays(copyOf(ready))
	if got := s.settle(); got.Reason != "TrialPassed" || s.deleted != 2 || len(s.copies()) != 0 {
		t.Errorf("%s, %d deleted: the second copy must go as well", got.Reason, s.deleted)
	}
}

func TestGoneIsProvenNotAssumed(t *testing.T) {
	s := tell(t, rehearsal())
	s.remains = []string{"Namespace autumn-copy"}
	s.settle()
	s.copySays(copyOf(ready))
	got := s.settle()
	if s.state("ProveGone") != v1alpha1.StepRunning || !strings.Contains(got.Message, "Namespace autumn-copy") {
		t.Errorf("ProveGone is %s: %s", s.state("ProveGone"), got.Message)
	}
	s.clock.Step(16 * time.Minute)
	got = s.settle()
	if got.State != v1alpha1.StepWaiting || got.Reason != v1alpha1.TimedOutReason || !strings.Contains(got.Message, "Namespace autumn-copy") {
		t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
	}
	s.remains = nil
	if got = s.settle(); got.State != v1alpha1.StepPassed || got.Reason != "TrialPassed" {
		t.Errorf("the copy is gone at last, and the trial is %s %s: %s", got.State, got.Reason, got.Message)
	}
	fresh := View{Trial: rehearsal()}
	if got := proveGone.Judge(fresh, pipeline.At{}, pipeline.Seen{Now: noon}); got.State != v1alpha1.StepRunning {
		t.Errorf("nobody looked, and the step is %s", got.State)
	}
}

func TestStepsInOrder(t *testing.T) {
	var names []string
	for _, step := range Steps {
		names = append(names, step.Name)
	}
	if want := []string{"Resolve", "Rehearse", "RehearseWayBack", "TearDown", "ProveGone"}; !slices.Equal(names, want) {
		t.Errorf("steps: %v", names)
	}
}

// What is approved is what was found, not when or how fast.
func TestDigest(t *testing.T) {
	report := func(change ...func(*v1alpha1.TrialUpgrade)) string {
		trial := rehearsal()
		record(trial, copyOf(ready), noon)
		for _, c := range change {
			c(trial)
		}
		return Digest(trial)
	}
	// Written down: a digest that changes with the operator's version voids approvals.
	const golden = "sha256:af330d2a31c01437b3fa37320ee79a7e9ffdf84c36cb6b55dc1b55af413d1c0f"
	if got := report(); got != golden {
		t.Errorf("digest %s, want %s", got, golden)
	}
	for name, change := range map[string]func(*v1alpha1.TrialUpgrade){
		"a slower hop":     func(t *v1alpha1.TrialUpgrade) { t.Status.Hops[0].Took = took(9 * time.Hour) },
		"other parts":      func(t *v1alpha1.TrialUpgrade) { t.Status.Parts = nil },
		"another name":     func(t *v1alpha1.TrialUpgrade) { t.Name, t.UID = "winter", "other" },
		"another message":  func(t *v1alpha1.TrialUpgrade) { t.Status.Findings[0].Message = "one query took 4 s" },
		"a later instant":  func(t *v1alpha1.TrialUpgrade) { t.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon) },
		"counts reordered": func(t *v1alpha1.TrialUpgrade) { slices.Reverse(t.Status.Before) },
	} {
		if got := report(change); got != golden {
			t.Errorf("%s changes the digest", name)
		}
	}
	seen := map[string]string{golden: "the report"}
	for name, change := range map[string]func(*v1alpha1.TrialUpgrade){
		"a verdict":         func(t *v1alpha1.TrialUpgrade) { t.Status.Conditions[0].Status = metav1.ConditionFalse },
		"a reason":          func(t *v1alpha1.TrialUpgrade) { t.Status.Conditions[0].Reason = "StepFailed" },
		"a hop's verdict":   func(t *v1alpha1.TrialUpgrade) { t.Status.Hops[1].Verdict = "Failed" },
		"a hop's version":   func(t *v1alpha1.TrialUpgrade) { t.Status.Hops[1].Version = "2.9" },
		"a hop's beginning": func(t *v1alpha1.TrialUpgrade) { t.Status.Hops[1].From = "1.4" },
		"a hop less":        func(t *v1alpha1.TrialUpgrade) { t.Status.Hops = t.Status.Hops[:1] },
		"where it begins":   func(t *v1alpha1.TrialUpgrade) { t.Spec.Upgrade.From = "0.9" },
		"a count before":    func(t *v1alpha1.TrialUpgrade) { t.Status.Before[0].Value = "8" },
		"a count after":     func(t *v1alpha1.TrialUpgrade) { t.Status.After[0].Value = "8" },
		"no findings":       func(t *v1alpha1.TrialUpgrade) { t.Status.Findings = nil },
		"a worse finding":   func(t *v1alpha1.TrialUpgrade) { t.Status.Findings[0].Severity = v1alpha1.SeverityMajor },
		"another component": func(t *v1alpha1.TrialUpgrade) { t.Status.Findings[0].Component = "grades" },
	} {
		got := report(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s does not change the digest: as %s", name, other)
		}
		seen[got] = name
	}
}
