// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// same compares two ledgers.
func same(t *testing.T, before, after []v1alpha1.StepStatus) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the ledger changed (-before +after):\n%s", diff)
	}
}

// TestAnySequenceOfObservationsKeepsTheLedgerLegal walks random pipelines with
// random answers, retries, pauses and crashes.
func TestAnySequenceOfObservationsKeepsTheLedgerLegal(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 18))
			w := begin(t, pipelineOf(dice)...)
			w.view.keys = []string{"a", "b"}
			for range 12 {
				w.clock.Step(time.Minute)
				chance(dice, w)
				before := clone(w.ledger)
				retry := w.owner.Annotations[v1alpha1.RetryAnnotation]
				w.run()
				legal(t, w, before, retry)
				once := clone(w.ledger)
				w.writes = nil
				next := w.run()
				// Else a step moved on: what it needs was settled just now, or the failure is to be kept first.
				if len(w.writes) == 0 && !next.Until.Equal(w.clock.Now()) {
					again := clone(w.ledger)
					w.run()
					if len(w.writes) > 0 {
						t.Fatalf("nothing changed and %v was written", w.writes)
					}
					same(t, again, w.ledger)
				}
				if dice.IntN(4) == 0 {
					jobs := w.jobs()
					w.ledger = once // a crash: the last status never reached the API server
					w.run()
					if got := w.jobs(); !slices.Equal(got, jobs) {
						t.Fatalf("after a crash there are Jobs %v, want %v", got, jobs)
					}
				}
			}
		})
	}
}

// pipelineOf makes a pipeline of up to six steps; needs point backwards.
func pipelineOf(dice *rand.Rand) []Step[*script] {
	var steps []Step[*script]
	var names []string
	for i := range 2 + dice.IntN(5) {
		name := string(rune('A' + i))
		var change []func(*Step[*script])
		if len(names) > 0 && dice.IntN(2) == 0 {
			change = append(change, needs(names[dice.IntN(len(names))]))
		}
		if dice.IntN(2) == 0 {
			change = append(change, makesJob)
		}
		if dice.IntN(3) == 0 {
			change = append(change, each)
			inOrder := dice.IntN(2) == 0
			change = append(change, func(s *Step[*script]) { s.InOrder = inOrder })
		}
		if dice.IntN(4) == 0 {
			change = append(change, func(s *Step[*script]) { s.Repairable = true })
		}
		names = append(names, name)
		steps = append(steps, judges(name, change...))
	}
	return append(steps, judges("Undo", finally), judges("Tidy", finally, needs("Undo")))
}

// chance changes what steps answer, and what people ask for.
func chance(dice *rand.Rand, w *world) {
	answers := []Verdict{
		Pass("done"), Skip("NothingToDo", "nothing"), Wait("Working", "working"), Await("Approval", "waiting"), Fail("Broken", "broken"),
	}
	w.view.says = map[string]Verdict{}
	for _, step := range w.steps {
		for _, key := range []string{"", "a", "b"} {
			w.view.says[step.Name+"/"+key] = answers[dice.IntN(len(answers))]
		}
	}
	w.owner.Annotations = map[string]string{}
	if dice.IntN(3) == 0 {
		w.owner.Annotations[v1alpha1.PauseAnnotation] = "true"
	}
	if dice.IntN(3) == 0 {
		e := w.ledger[dice.IntN(len(w.ledger))]
		w.owner.Annotations[v1alpha1.RetryAnnotation] = fmt.Sprintf("%s@%d", e.Name, e.Attempt)
	}
}

func legal(t *testing.T, w *world, before []v1alpha1.StepStatus, retry string) {
	t.Helper()
	for i := range w.ledger {
		e := &w.ledger[i]
		step, _ := find(w.steps, e.Name)
		was := v1alpha1.StepStatus{Name: e.Name, Key: e.Key, State: v1alpha1.StepPending}
		if j := slices.IndexFunc(before, func(b v1alpha1.StepStatus) bool { return b.Name == e.Name && b.Key == e.Key }); j >= 0 {
			was = before[j]
		}
		retried := was.State == v1alpha1.StepFailed && retry == fmt.Sprintf("%s@%d", e.Name, was.Attempt)
		repaired := was.State == v1alpha1.StepFailed && step.Repairable
		if settled(was.State) && !retried && !repaired {
			if diff := cmp.Diff(was, *e); diff != "" {
				t.Fatalf("%s %s was settled and changed:\n%s", e.Name, e.Key, diff)
			}
		}
		if e.Attempt > was.Attempt && was.Attempt > 0 && !retried {
			t.Fatalf("%s %s has attempt %d and nobody asked for it", e.Name, e.Key, e.Attempt)
		}
		began := was.State == v1alpha1.StepPending && e.State != v1alpha1.StepPending
		if began {
			legalToBegin(t, w, i, step)
		}
		if settled(e.State) != (e.Finished != nil) || e.State != v1alpha1.StepPending && e.Started == nil {
			t.Fatalf("%s %s is %s, started %v, finished %v", e.Name, e.Key, e.State, e.Started, e.Finished)
		}
	}
}

// legalToBegin checks the needs of an entry that has just begun, in words of its own.
func legalToBegin(t *testing.T, w *world, i int, step Step[*script]) {
	t.Helper()
	wanted := step.Needs
	if wanted == nil && !step.Finally {
		for j := range w.steps {
			if w.steps[j].Name == step.Name && j > 0 {
				wanted = []string{w.steps[j-1].Name}
			}
		}
	}
	for j, other := range w.ledger {
		if slices.Contains(wanted, other.Name) && other.State != v1alpha1.StepPassed && other.State != v1alpha1.StepSkipped {
			t.Fatalf("%s began although %s is %s", step.Name, other.Name, other.State)
		}
		if step.InOrder && other.Name == step.Name && j < i && !done(other.State) {
			t.Fatalf("%s/%s began before %s was done", step.Name, w.ledger[i].Key, other.Key)
		}
		of, _ := find(w.steps, other.Name)
		if step.Finally && !of.Finally && (other.State == v1alpha1.StepRunning || other.State == v1alpha1.StepWaiting) {
			t.Fatalf("%s began while %s is %s", step.Name, other.Name, other.State)
		}
	}
	if w.owner.Annotations[v1alpha1.PauseAnnotation] == "true" {
		t.Fatalf("%s began although the owner is paused", step.Name)
	}
}

func clone(ledger []v1alpha1.StepStatus) []v1alpha1.StepStatus {
	out := make([]v1alpha1.StepStatus, len(ledger))
	for i := range ledger {
		out[i] = *ledger[i].DeepCopy()
	}
	return out
}
