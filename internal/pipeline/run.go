// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// walk carries what one run through the ledger needs.
type walk[V any] struct {
	engine Engine
	owner  Owner
	steps  []Step[V]
	view   V
	ledger []v1alpha1.StepStatus
	now    time.Time
	// failed: a step failed in this walk, and nobody has kept that yet.
	failed bool
}

// Run walks every entry of the ledger whose needs are settled, and says where
// the whole stands: failed if an entry failed and none runs, else waiting,
// else passed. Settled entries are believed; all others are judged anew.
func Run[V any](
	ctx context.Context, e Engine, owner Owner, steps []Step[V], view V, ledger *[]v1alpha1.StepStatus,
) (Verdict, error) {
	e.alive = sync.OnceValue(func() error { return e.lives(ctx, owner) })
	w := &walk[V]{engine: e, owner: owner, steps: steps, view: view, ledger: *ledger, now: e.Clock.Now()}
	defer func() { *ledger = w.ledger }()
	var until time.Time
	for _, finally := range []bool{false, true} {
		switch {
		case !finally && e.Ending:
			continue
		case finally && !e.Ending && !w.over():
			return w.conclude(until), nil
		case finally && w.failed && w.unfinished():
			// What is undone now would be judged again as missing if the verdict were lost.
			v := w.conclude(w.now)
			v.State = v1alpha1.StepRunning
			return v, nil
		}
		if err := w.pass(ctx, finally, &until); err != nil {
			return Verdict{}, err
		}
	}
	return w.conclude(until), nil
}

// pass walks the entries of either half of the ledger once.
func (w *walk[V]) pass(ctx context.Context, finally bool, until *time.Time) error {
	var failed []error
	for i := 0; i < len(w.ledger); i++ {
		step, ok := w.known(i)
		if !ok {
			continue
		}
		if !finally {
			w.retry(&w.ledger[i], step)
		}
		if step.Finally != finally || !w.due(i, step) {
			continue
		}
		verdict, err := w.visit(ctx, step, &w.ledger[i])
		switch {
		case err != nil && finally: // what must be done whatever happened hinders nothing else
			failed = append(failed, fmt.Errorf("step %s: %w", step.Name, err))
			continue
		case err != nil:
			return fmt.Errorf("step %s: %w", step.Name, err)
		}
		if !verdict.Until.IsZero() && (until.IsZero() || verdict.Until.Before(*until)) {
			*until = verdict.Until
		}
	}
	return errors.Join(failed...)
}

// known gives the step of an entry. One that this version does not know fails,
// unless it is done.
func (w *walk[V]) known(i int) (Step[V], bool) {
	step, ok := find(w.steps, w.ledger[i].Name)
	if !ok && !done(w.ledger[i].State) {
		record(&w.ledger[i], Fail(v1alpha1.UnknownStepReason,
			"step %q is not known to this version of the operator", w.ledger[i].Name), w.now)
	}
	return step, ok
}

// spread replaces an entry without a key by one entry for each key.
func (w *walk[V]) spread(i int, step Step[V]) bool {
	keys := step.Each(w.view)
	if len(keys) == 0 {
		record(&w.ledger[i], Skip("NothingToDo", "there is nothing to do"), w.now)
		return false
	}
	entries := make([]v1alpha1.StepStatus, len(keys))
	for j, key := range keys {
		entries[j] = v1alpha1.StepStatus{Name: step.Name, Key: key, State: v1alpha1.StepPending}
	}
	w.ledger = slices.Replace(w.ledger, i, i+1, entries...)
	return true
}

// visit makes what the step needs, looks at it, and records the verdict, or
// since when it cannot.
func (w *walk[V]) visit(ctx context.Context, step Step[V], entry *v1alpha1.StepStatus) (Verdict, error) {
	was := entry.State
	verdict, err := w.judge(ctx, step, entry)
	if err != nil {
		w.hinder(entry, Refusal(err))
	}
	w.failed = w.failed || was != v1alpha1.StepFailed && entry.State == v1alpha1.StepFailed
	return verdict, err
}

// lostAttempts is how often a step begins at most whose Jobs are lost.
const lostAttempts = 3

func (w *walk[V]) judge(ctx context.Context, step Step[V], entry *v1alpha1.StepStatus) (Verdict, error) {
	at, seen, err := w.begin(ctx, step, entry)
	if err != nil {
		return Verdict{}, err
	}
	refused := w.refused(entry, &seen)
	verdict := Fail(ChildGoneReason, "%s was deleted before the step was over; a retry makes another", seen.gone)
	if seen.gone == "" {
		verdict = w.inTime(step, entry, step.Judge(w.view, at, seen))
	}
	if settled(verdict.State) {
		if err := w.settle(ctx, step, at, entry, seen, done(verdict.State)); err != nil {
			return Verdict{}, err
		}
	}
	if !refused && !seen.again {
		entry.Hindered, entry.Refused = nil, nil
	}
	attempts := step.Attempts
	if step.AgainIfLost && verdict.Reason == v1alpha1.JobLostReason {
		attempts = max(attempts, lostAttempts)
	}
	if verdict.State == v1alpha1.StepFailed && entry.Attempt < attempts {
		again(entry)
		return Wait("Retrying", "attempt %d failed: %s", entry.Attempt-1, verdict.Message).By(w.now.Add(time.Second)), nil
	}
	record(entry, verdict, w.now)
	return verdict, nil
}

// begin makes what the step needs. Its time counts from the last that it made: nothing could
// work while that was refused.
func (w *walk[V]) begin(ctx context.Context, step Step[V], entry *v1alpha1.StepStatus) (At, Seen, error) {
	if entry.Attempt == 0 {
		entry.Attempt = 1
	}
	if entry.Started == nil {
		entry.Started = &metav1.Time{Time: w.now}
	}
	at := PlaceOf(w.owner, *entry)
	seen, err := w.perform(ctx, step, at, entry)
	// A Change is in force before that, and its limit is for how long.
	made := len(entry.Children) > len(at.Entry.Children) && step.Change == nil
	if err == nil && step.Timeout != nil && made {
		entry.Started = &metav1.Time{Time: w.now}
	}
	return at, seen, err
}

// inTime fails a step on which machines work for too long.
func (w *walk[V]) inTime(step Step[V], entry *v1alpha1.StepStatus, v Verdict) Verdict {
	if step.Timeout == nil || v.State != v1alpha1.StepRunning {
		return v
	}
	limit := step.Timeout(w.view)
	if limit == 0 {
		return v
	}
	if entry.State == v1alpha1.StepWaiting && entry.Reason != v1alpha1.TimedOutReason {
		entry.Started = &metav1.Time{Time: w.now}
	}
	deadline := entry.Started.Add(limit)
	switch {
	case w.now.After(deadline) && step.Insists != nil && step.Insists(w.view):
		until := v.Until
		v = Await(v1alpha1.TimedOutReason, "not done within %s, and it must be: %s", limit, v.Message)
		v.Until = until
	case w.now.After(deadline):
		return Fail(v1alpha1.TimedOutReason, "not done within %s: %s", limit, v.Message)
	case v.Until.IsZero() || deadline.Before(v.Until):
		v.Until = deadline.Add(time.Second)
	}
	return v
}

// settle keeps the evidence, and only then lets the step record what it found.
func (w *walk[V]) settle(
	ctx context.Context, step Step[V], at At, entry *v1alpha1.StepStatus, seen Seen, passed bool,
) error {
	entry.Evidence = nil
	if err := w.engine.keep(ctx, w.owner, entry, seen); err != nil {
		return err
	}
	if step.Record != nil && seen.gone == "" {
		step.Record(w.view, at, seen)
	}
	if step.Documents == nil || !passed {
		return nil
	}
	return w.engine.write(ctx, w.owner, entry, step.Documents(w.view, at))
}

// retry starts a new attempt of a failed entry when a person asked for it, and of one
// that passed where that may be.
func (w *walk[V]) retry(entry *v1alpha1.StepStatus, step Step[V]) {
	asked := w.owner.GetAnnotations()[v1alpha1.RetryAnnotation]
	if asked != fmt.Sprintf("%s@%d", step.Name, entry.Attempt) {
		return
	}
	var with []string
	if step.Repeats != nil && entry.State == v1alpha1.StepPassed {
		with = step.Repeats(w.view)
	}
	once := step.Repeatable == nil || !step.Repeatable(w.view)
	if entry.State != v1alpha1.StepFailed && (entry.State != v1alpha1.StepPassed || once && len(with) == 0) {
		return
	}
	again(entry)
	w.anew(with)
}

// anew begins other steps that were done as well, and patience with all of them.
func (w *walk[V]) anew(with []string) {
	for i := range w.ledger {
		e := &w.ledger[i]
		e.Hindered, e.Refused = nil, nil
		if slices.Contains(with, e.Name) && e.Attempt > 0 {
			again(e)
		}
	}
}

// conclude says where the whole stands. What failed at an end after which a person retried a
// step is told when that end has come again.
func (w *walk[V]) conclude(until time.Time) Verdict {
	var failed, running, waiting *v1alpha1.StepStatus
	open, ended := false, w.engine.Ending || w.over()
	for i := range w.ledger {
		entry := &w.ledger[i]
		switch step, _ := find(w.steps, entry.Name); entry.State {
		case v1alpha1.StepFailed:
			if ended || !step.Finally {
				failed = cmpFirst(failed, entry)
			}
		case v1alpha1.StepRunning:
			running = cmpFirst(running, entry)
		case v1alpha1.StepWaiting:
			waiting = cmpFirst(waiting, entry)
		case v1alpha1.StepPending:
			open = true
		}
	}
	first := cmpFirst(cmpFirst(running, failed), waiting)
	switch {
	case first != nil:
		return Verdict{State: first.State, Reason: first.Reason, Message: first.Message, Until: until}
	case open:
		return Wait(v1alpha1.WorkingReason, "the next step starts").By(until)
	}
	return Pass("all steps are done")
}

func cmpFirst(a, b *v1alpha1.StepStatus) *v1alpha1.StepStatus {
	if a != nil {
		return a
	}
	return b
}

func find[V any](steps []Step[V], name string) (Step[V], bool) {
	i := slices.IndexFunc(steps, func(s Step[V]) bool { return s.Name == name })
	if i < 0 {
		return Step[V]{}, false
	}
	return steps[i], true
}
