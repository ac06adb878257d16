// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
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
