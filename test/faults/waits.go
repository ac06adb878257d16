// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// at says whether a step of a go-live is in one of these states.
func at(w *world.World, name, step string, states ...v1alpha1.StepState) func() bool {
	return func() bool {
		g := &v1alpha1.GoLive{}
		return w.Get(name, g) && stands(g.Status.Steps, step, states...)
	}
}

func ready(w *world.World, into run, name string) func() bool {
	return func() bool {
		return w.Get(name, into) && meta.IsStatusConditionTrue(*into.GetConditions(), v1alpha1.ReadyCondition)
	}
}

// givenUp says that the go-live of a plan was undone while nobody was there: its story is
// over, and must be as if that had never been.
func givenUp(w *world.World, plan *v1alpha1.UpgradePlan) bool {
	undone := slices.ContainsFunc(plan.Status.Steps, func(s v1alpha1.StepStatus) bool {
		return s.Name == v1alpha1.StepGoLive && s.State == v1alpha1.StepFailed && s.Reason == v1alpha1.LeaseLostReason
	})
	w.Undone = w.Undone || undone && w.Gone != ""
	return w.Undone
}
