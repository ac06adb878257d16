// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"slices"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// due says whether an entry is to be judged now.
func (w *walk[V]) due(i int, step Step[V]) bool {
	if w.believed(step, w.ledger[i]) || !w.ready(i, step) || w.paused(step, w.ledger[i]) {
		return false
	}
	return step.Each == nil || w.ledger[i].Key != "" || w.spread(i, step)
}

// ready says whether all that an entry needs is settled well.
func (w *walk[V]) ready(i int, step Step[V]) bool {
	if step.InOrder && i > 0 && w.ledger[i-1].Name == step.Name && !done(w.ledger[i-1].State) {
		return false
	}
	needs := step.Needs
	if needs == nil && !step.Finally {
		if i := slices.IndexFunc(w.steps, func(s Step[V]) bool { return s.Name == step.Name }); i > 0 {
			needs = []string{w.steps[i-1].Name}
		}
	}
	for _, entry := range w.ledger {
		if slices.Contains(needs, entry.Name) && !done(entry.State) {
			return false
		}
	}
	return true
}

// over says whether nothing but the Finally steps can move any more.
func (w *walk[V]) over() bool {
	for i, entry := range w.ledger {
		step, ok := find(w.steps, entry.Name)
		if !ok || step.Finally || settled(entry.State) {
			continue
		}
		if entry.State != v1alpha1.StepPending || w.ready(i, step) {
			return false
		}
	}
	return true
}

// unfinished says whether there is anything to do whatever happened.
func (w *walk[V]) unfinished() bool {
	return slices.ContainsFunc(w.ledger, func(entry v1alpha1.StepStatus) bool {
		step, ok := find(w.steps, entry.Name)
		return ok && step.Finally && !settled(entry.State)
	})
}

// believed says whether an entry is not judged again.
func (w *walk[V]) believed(step Step[V], entry v1alpha1.StepStatus) bool {
	return settled(entry.State) && (entry.State != v1alpha1.StepFailed || !step.Repairable)
}

// paused says whether an entry must not start now. One that waits at a gate, for its
// window or for another step has not started either: it would when that opens, and makes
// its children then.
func (w *walk[V]) paused(step Step[V], entry v1alpha1.StepStatus) bool {
	begun := entry.State != v1alpha1.StepPending && entry.State != v1alpha1.StepWaiting
	if step.Create != nil {
		begun = len(entry.Children) > 0
	}
	// Only plans pause: a go-live or rollback that stood still would keep a site closed.
	return !begun && w.owner.OwnerKind() == "UpgradePlan" &&
		w.owner.GetAnnotations()[v1alpha1.PauseAnnotation] == "true"
}
