// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestFinallyNotWhilePaused(t *testing.T) {
	w := begin(t, judges("A"), judges("Undo", finally))
	w.owner.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	w.run()
	w.wants("A:Pending Undo:Pending")
}

func TestPauseStartsNothingAndStopsNothing(t *testing.T) {
	w := begin(t, judges("A", needs()), judges("B", needs()), judges("C", needs("A")))
	w.view.says["A"], w.view.says["B"] = Wait("Working", "working"), Wait("Working", "working")
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	delete(w.view.says, "A")
	w.run()
	w.wants("A:Passed B:Running C:Pending")
	delete(w.owner.Annotations, v1alpha1.PauseAnnotation)
	w.run()
	w.wants("A:Passed B:Running C:Passed")
}

func TestWhatWaitsDoesNotStartWhilePaused(t *testing.T) {
	w := begin(t, judges("A", needs()))
	w.view.says["A"] = Await("WaitingForApproval", "gate GoLive")
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	delete(w.view.says, "A")
	w.run()
	w.wants("A:Waiting")
	delete(w.owner.Annotations, v1alpha1.PauseAnnotation)
	w.run()
	w.wants("A:Passed")
}

// A step that says it runs, and has made nothing, waits for another one: when that is done
// while the owner is paused, it makes nothing either. What is made goes on.
func TestWhatHasMadeNothingDoesNotStartWhilePaused(t *testing.T) {
	w := begin(t, judges("A", needs(), makesJob), judges("B", needs()))
	made := w.steps[0].Create
	w.steps[0].Create = nil
	w.view.says["A"] = Wait("Repeating", "B runs again")
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	w.steps[0].Create = made
	w.run()
	if w.wants("A:Running B:Passed"); len(w.jobs()) > 0 {
		t.Errorf("it made %v", w.jobs())
	}
	delete(w.owner.Annotations, v1alpha1.PauseAnnotation)
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	delete(w.view.says, "A")
	w.run()
	if w.wants("A:Passed B:Passed"); len(w.jobs()) != 1 {
		t.Errorf("it made %v", w.jobs())
	}
}

func TestOnlyPlansPause(t *testing.T) {
	w := begin(t, judges("A"))
	run := &v1alpha1.GoLive{ObjectMeta: w.owner.ObjectMeta}
	run.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	if _, err := Run(t.Context(), w.engine, run, w.steps, w.view, &w.ledger); err != nil {
		t.Fatal(err)
	}
	w.wants("A:Passed")
}
