// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"strings"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// Commit is the step to the point of no return, and nothing else. It is judged
// twice: when all holds, the ledger says so; the next reconcile looks at
// everything again and moves the lease's point by one compare-and-swap. Only
// what comes after it cannot be undone.
func Commit[V Stage](objection func(V) *pipeline.Verdict) pipeline.Step[V] {
	return pipeline.Step[V]{
		Name: StepCommit,
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			if s.Held() && s.Committed() {
				return pipeline.Pass("from here on the site stays closed until it is proven")
			}
			if no := MayCommit(v, objection); no != nil {
				return *no
			}
			return pipeline.Wait(reasonCommitting, "everything holds; the point of no return is next").
				By(seen.Now.Add(time.Second))
		},
	}
}

// MayCommit looks at everything once more, live.
func MayCommit[V Stage](v V, objection func(V) *pipeline.Verdict) *pipeline.Verdict {
	s := v.Stage()
	no := func(verdict pipeline.Verdict) *pipeline.Verdict { return &verdict }
	if !s.Held() {
		return no(pipeline.Fail(v1alpha1.LeaseLostReason, "the site's lease is not held"))
	}
	if s.Rival != nil {
		return no(s.Conflict(*s.Rival))
	}
	for _, id := range s.closers() {
		if c := s.change(id); c == nil || c.State != v1alpha1.ChangeApplied {
			return no(pipeline.Fail("NotClosed", "change %s does not stand", id))
		}
	}
	if n, names := s.Running(); n > 0 {
		return no(pipeline.Fail("NotClosed", "%d pods of %s run again", n, strings.Join(names, ", ")))
	}
	return objection(v)
}

// closers are the ids of all changes that close the site.
func (s *Scene) closers() []string {
	ids := []string{doorID, lockID}
	for _, w := range s.Site.Spec.Workloads {
		ids = append(ids, quietID(w.Name))
	}
	for _, name := range s.awake() {
		ids = append(ids, suspendID(name))
	}
	return ids
}

// Undo puts everything back after a failure before the point of no return,
// whatever it was. What somebody else wrote stays as they wrote it. What the API
// server refuses to put back is no end: the site is still as we left it, so that
// holding page, watchdog and lease stay until it is.
func Undo[V Stage]() pipeline.Step[V] {
	undoable := func(v V) bool { return v.Stage().Held() && !v.Stage().Committed() }
	return pipeline.Step[V]{
		Name: stepUndo, Finally: true,
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			if !undoable(v) {
				return nil
			}
			var back []v1alpha1.Change
			for _, c := range production.Open(*v.Stage().Owner.Journal()) {
				if c.Undo != v1alpha1.UndoNever {
					back = append(back, c)
				}
			}
			return production.Back(back)
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			switch {
			case s.Grip.Lost:
				// Not settled: who ends such a run may have to undo, see AfterLoss.
				return pipeline.Wait(v1alpha1.LeaseLostReason, "the site's lease was lost").By(seen.Now.Add(time.Second))
			case !undoable(v):
				return pipeline.Skip("NothingToUndo", "nothing that can be undone is held")
			case !seen.Changed && seen.Foreign != nil:
				return s.refusal(*seen.Foreign)
			case !seen.Changed:
				return pipeline.Wait("Undoing", "the site is put back as it was").By(seen.Now.Add(time.Second))
			case seen.Foreign != nil:
				return pipeline.Pass("put back, but for %s of %s %s: it is as %s wrote it",
					seen.Foreign.Field, seen.Foreign.Target.Kind, seen.Foreign.Target.Name, seen.Foreign.Foreign)
			}
			return pipeline.Pass("the site is open as it was")
		},
	}
}

// GiveBack ends a run that was undone: what stands beside the site goes, then
// the lease.
func GiveBack[V Stage](run func(V) Run) pipeline.Step[V] {
	return pipeline.Step[V]{
		Name: "GiveBack", Finally: true, Needs: []string{stepUndo},
		Remove: func(v V, _ pipeline.At) []v1alpha1.ChildRef {
			if s := v.Stage(); !s.Held() || s.Committed() {
				return nil
			}
			return Beside(run(v))
		},
		Judge: func(v V, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			switch {
			case s.Committed():
				return pipeline.Skip("StaysClosed", "the point of no return is passed")
			case s.Owner.Held() == nil && at.Entry.Reason == "":
				return pipeline.Skip("NothingHeld", "nothing is held")
			case seen.Left > 0:
				return pipeline.Wait("Removing", "watchdog and holding page go").By(seen.Now.Add(2 * time.Second))
			}
			return released(v, at, seen)
		},
	}
}
