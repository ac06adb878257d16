// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// ErrNameConflict says that an object that Gradus did not make has the name of
// one that it must make. A person must remove or rename it.
var ErrNameConflict = errors.New("an object of another has this name")

// ErrOwnerGone says that the owner was deleted, and that the cache does not know yet.
var ErrOwnerGone = errors.New("the owner was deleted meanwhile")

// Owner is the object that a pipeline works for. Its kind is spelled out
// because typed objects read from the API carry no TypeMeta.
type Owner interface {
	client.Object
	OwnerKind() string
}

// Reports reads what a finished Job said, and keeps it.
type Reports interface {
	// Outcome of a Job, from its pod.
	Outcome(ctx context.Context, job *batchv1.Job) (JobOutcome, error)
	// Keep writes the documents of a finished Job to immutable evidence.
	Keep(ctx context.Context, owner Owner, step string, job *batchv1.Job, o JobOutcome) ([]v1alpha1.Evidence, error)
	// Store keeps one document that Gradus wrote itself.
	Store(
		ctx context.Context, owner Owner, entry *v1alpha1.StepStatus, name string, content []byte,
	) (v1alpha1.Evidence, error)
}

// Production carries out changes to production; see internal/production.
type Production interface {
	// Ensure makes the changes stand. It reports true when all do, or the
	// change under which somebody else writes.
	Ensure(ctx context.Context, owner Owner, step string, want []v1alpha1.Change) (bool, *v1alpha1.Change, error)
	// Exchange puts another volume behind a claim, with the same answers.
	Exchange(ctx context.Context, owner Owner, step string, want Exchange) (bool, *v1alpha1.Change, error)
}

// Exchange of the volumes of two claims in the owner's namespace.
type Exchange struct {
	// ID tells it from others of the same owner.
	ID string
	// Claim whose name stays, and the claim whose volume it gets.
	Claim, Beside string
	// Kept is the name of the claim under which the volume that goes is kept.
	Kept string
}

// Engine performs the effects that steps ask for.
type Engine struct {
	Client client.Client
	// Live reads past the cache: needed to tell a stranger from a stale cache.
	Live    client.Reader
	Clock   clock.PassiveClock
	Reports Reports
	// Production is nil but for GoLive and Rollback.
	Production Production
	// Ending walks the Finally steps alone, and hears no retry: somebody else has
	// what the other steps work on.
	Ending bool

	// alive says once in a walk whether the owner lives.
	alive func() error
}

// perform makes what a step needs and reports what became of it.
func (w *walk[V]) perform(ctx context.Context, step Step[V], at At, entry *v1alpha1.StepStatus) (Seen, error) {
	seen := Seen{Now: w.now, Since: entry.Started.Time, Jobs: map[string]JobOutcome{}}
	if step.Change != nil {
		var err error
		if seen.Changed, seen.Foreign, err = w.change(ctx, step, at); err != nil || !seen.Changed {
			seen.again = seen.Foreign == nil
			return seen, err
		}
	}
	if step.Remove != nil {
		left, err := w.engine.remove(ctx, w.owner, step.Remove(w.view, at))
		if err != nil {
			return seen, err
		}
		seen.Left = left
	}
	if step.Exchange != nil {
		var err error
		if seen.Changed, seen.Foreign, err = w.exchange(ctx, step, at); err != nil || !seen.Changed {
			seen.again = seen.Foreign == nil
			return seen, err
		}
	}
	if step.Create != nil {
		for _, want := range step.Create(w.view, at) {
			if err := w.engine.create(ctx, w.owner, step.Name, want, entry, &seen); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}

// exchange carries out one exchange after the other.
func (w *walk[V]) exchange(ctx context.Context, step Step[V], at At) (bool, *v1alpha1.Change, error) {
	for _, want := range step.Exchange(w.view, at) {
		if w.engine.Production == nil {
			return false, nil, fmt.Errorf("step %s asks for changes to production: this engine cannot", step.Name)
		}
		if done, foreign, err := w.engine.Production.Exchange(ctx, w.owner, step.Name, want); !done || err != nil {
			return false, foreign, err
		}
	}
	return true, nil, nil
}

func (w *walk[V]) change(ctx context.Context, step Step[V], at At) (bool, *v1alpha1.Change, error) {
	want := step.Change(w.view, at)
	if len(want) == 0 {
		return true, nil, nil
	}
	if w.engine.Production == nil {
		return false, nil, fmt.Errorf("step %s asks for changes to production: this engine cannot", step.Name)
	}
	return w.engine.Production.Ensure(ctx, w.owner, step.Name, want)
}

// keep stores the documents of the step's Jobs before the entry is settled.
func (e Engine) keep(ctx context.Context, owner Owner, entry *v1alpha1.StepStatus, seen Seen) error {
	for _, obj := range seen.Objects {
		job, ok := isJob(obj)
		if !ok || seen.Jobs[job.Name].State == JobRunning {
			continue
		}
		kept, err := e.Reports.Keep(ctx, owner, entry.Name, job, seen.Jobs[job.Name])
		if err != nil {
			return fmt.Errorf("keep evidence of Job %s: %w", job.Name, err)
		}
		entry.Evidence = append(entry.Evidence, kept...)
	}
	return nil
}

// write keeps the documents that a step wrote itself.
func (e Engine) write(ctx context.Context, owner Owner, entry *v1alpha1.StepStatus, documents map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		kept, err := e.Reports.Store(ctx, owner, entry, name, documents[name])
		if err != nil {
			return err
		}
		entry.Evidence = append(entry.Evidence, kept)
	}
	return nil
}

// Due gives the time after which to look again, for a Result.
func Due(v Verdict, now time.Time) time.Duration {
	if v.Until.IsZero() {
		return 0
	}
	return max(v.Until.Sub(now), time.Second)
}
