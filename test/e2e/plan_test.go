// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// newPlan is a plan that a person would write.
func newPlan(namespace, name, version, image string) *v1alpha1.UpgradePlan {
	return &v1alpha1.UpgradePlan{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.UpgradePlanSpec{
			SiteRef: v1alpha1.LocalRef{Name: world.Site},
			Target: v1alpha1.Target{Version: version, Releases: []v1alpha1.Release{{
				Version: version,
				Containers: []v1alpha1.ContainerImage{
					{Name: "app", Image: image},
					{Name: "static", Image: image, Env: []v1alpha1.EnvValue{{Name: "DOCUMENT_ROOT", Value: "/srv/campus/public"}}},
				},
			}}},
			Requirements: v1alpha1.Requirements{DropPlugins: []v1alpha1.DroppedPlugin{
				{Component: "mod_chat", Because: "not used any more"},
			}},
			ChangeControl: v1alpha1.ChangeControl{Approvers: []string{"lms-owners"}},
			Support:       v1alpha1.SupportTerms{Until: v1alpha1.SupportUntil{Duration: &metav1.Duration{Duration: time.Minute}}},
		},
	}
}

// apply creates a plan as the planner, and removes it when the story is over.
func apply(t *testing.T, plan *v1alpha1.UpgradePlan) {
	t.Helper()
	if err := planner.Create(t.Context(), plan); err != nil {
		t.Fatalf("create UpgradePlan %s: %v", plan.Name, err)
	}
	t.Cleanup(func() {
		if *keep || t.Failed() {
			return
		}
		ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
		defer stop()
		remove(ctx, t, plan)
	})
}

// edit changes a plan as a person, against whatever Gradus writes meanwhile.
func edit(ctx context.Context, as client.Client, plan *v1alpha1.UpgradePlan, change func(*v1alpha1.UpgradePlan)) error {
	if err := admin.Get(ctx, client.ObjectKeyFromObject(plan), plan); err != nil {
		return err
	}
	before := plan.DeepCopy()
	change(plan)
	return as.Patch(ctx, plan, client.MergeFrom(before))
}

// awaitStep waits for a state of one step and gives its entry.
func awaitStep(t *testing.T, limit time.Duration, plan *v1alpha1.UpgradePlan, name string, want ...v1alpha1.StepState) v1alpha1.StepStatus {
	t.Helper()
	var found v1alpha1.StepStatus
	seen, err := world.Await(within(t, limit), admin, plan, func(p *v1alpha1.UpgradePlan) (string, error) {
		for _, s := range p.Status.Steps {
			if s.Name == name {
				found = s
			}
			if s.State == v1alpha1.StepFailed && s.Name != name {
				return "", fmt.Errorf("step %s failed: %s: %s", s.Name, s.Reason, s.Message)
			}
		}
		for _, state := range want {
			if found.State == state {
				return "", nil
			}
		}
		if found.State == v1alpha1.StepFailed {
			return "", fmt.Errorf("step %s failed: %s: %s", found.Name, found.Reason, found.Message)
		}
		return fmt.Sprintf("%s is %s (%s), want %v", name, found.State, found.Message, want), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	*plan = *seen
	return found
}

// awaitReason waits until a step has a reason and a message with these words,
// and gives its entry.
func awaitReason(
	t *testing.T, limit time.Duration, plan *v1alpha1.UpgradePlan, step, reason string, words ...string,
) v1alpha1.StepStatus {
	t.Helper()
	var found v1alpha1.StepStatus
	seen, err := world.Await(within(t, limit), admin, plan, func(p *v1alpha1.UpgradePlan) (string, error) {
		for _, s := range p.Status.Steps {
			if s.Name == step && s.Reason == reason &&
				!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(s.Message, word) }) {
				found = s
				return "", nil
			}
		}
		return "step " + step + " has not the reason " + reason + " " + strings.Join(words, ", ") + "; the plan is at " + p.Status.Summary.Step + ": " + p.Status.Summary.WaitsFor, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	*plan = *seen
	return found
}

// awaitGate waits until gate GoLive is in a state, and speaks of the plan as
// it is written now.
func awaitGate(t *testing.T, limit time.Duration, plan *v1alpha1.UpgradePlan, done func(v1alpha1.GateStatus) bool) v1alpha1.GateStatus {
	t.Helper()
	var found v1alpha1.GateStatus
	generation := plan.Generation
	seen, err := world.Await(within(t, limit), admin, plan, func(p *v1alpha1.UpgradePlan) (string, error) {
		for _, g := range p.Status.Gates {
			if g.Name == v1alpha1.GateGoLive {
				found = g
			}
		}
		if p.Status.ObservedGeneration < generation {
			return "Gradus has not seen what was written last", nil
		}
		if done(found) {
			return "", nil
		}
		if p.Status.Summary.State == v1alpha1.PlanBlocked {
			return "", errors.New("the plan is blocked: " + p.Status.Summary.WaitsFor)
		}
		return fmt.Sprintf("gate GoLive is %s, counted %v, not counted %v; the plan is at %s", found.State, found.Counted, found.NotCounted, p.Status.Summary.Step), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	*plan = *seen
	return found
}

// has checks that a message for people names what it should.
func has(t *testing.T, message string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(message, w) {
			t.Errorf("want %q in the message, got: %s", w, message)
		}
	}
}
