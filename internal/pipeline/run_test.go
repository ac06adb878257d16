// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// deaf gives no answer.
type deaf struct{ client.Client }

func (deaf) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return errors.New("connection refused")
}

func TestSinceWhenAStepIsHindered(t *testing.T) {
	w := begin(t, judges("A", makesJob))
	w.view.says["A"] = Wait("Working", "working")
	server := w.engine.Client
	w.engine.Client = deaf{server}
	for range 2 {
		if _, err := w.try(); err == nil {
			t.Fatal("no error")
		}
		if since := w.entry("A", "").Hindered; since == nil || !since.Time.Equal(noon) {
			t.Errorf("hindered since %v", since)
		}
		w.clock.Step(time.Minute)
	}
	w.engine.Client = server
	w.run()
	if since := w.entry("A", "").Hindered; since != nil {
		t.Errorf("hindered since %v, and works", since)
	}
}

func TestNeeds(t *testing.T) {
	busy := Wait("Working", "working")
	for name, c := range map[string]struct {
		steps []Step[*script]
		says  map[string]Verdict
		want  string
		all   v1alpha1.StepState
	}{
		"no needs given means the step before": {
			steps: []Step[*script]{judges("A"), judges("B"), judges("C")}, says: map[string]Verdict{"B": busy},
			want: "A:Passed B:Running C:Pending", all: v1alpha1.StepRunning,
		},
		"None means nothing": {
			steps: []Step[*script]{judges("A"), judges("B", needs())}, says: map[string]Verdict{"A": busy},
			want: "A:Running B:Passed", all: v1alpha1.StepRunning,
		},
		"needs by name overlap": {
			steps: []Step[*script]{judges("A"), judges("B", needs("A")), judges("C", needs("A")), judges("D", needs("B", "C"))},
			says:  map[string]Verdict{"B": busy},
			want:  "A:Passed B:Running C:Passed D:Pending", all: v1alpha1.StepRunning,
		},
		"a step may need one that comes later in the list": {
			steps: []Step[*script]{judges("A", needs("B")), judges("B", needs())},
			want:  "A:Pending B:Passed", all: v1alpha1.StepRunning,
		},
		"a skipped step satisfies": {
			steps: []Step[*script]{judges("A"), judges("B")}, says: map[string]Verdict{"A": Skip("NothingToDo", "nothing")},
			want: "A:Skipped B:Passed", all: v1alpha1.StepPassed,
		},
		"a failure blocks only those that need it": {
			steps: []Step[*script]{judges("A"), judges("B"), judges("C", needs("A")), judges("D", needs("C"))},
			says:  map[string]Verdict{"A": Pass("ok"), "B": Fail("Broken", "B is broken")},
			want:  "A:Passed B:Failed C:Passed D:Passed", all: v1alpha1.StepFailed,
		},
		"a failure is told when nothing runs any more": {
			steps: []Step[*script]{judges("A", needs()), judges("B", needs())},
			says:  map[string]Verdict{"A": Fail("Broken", "broken"), "B": busy},
			want:  "A:Failed B:Running", all: v1alpha1.StepRunning,
		},
		"a failure goes before waiting for people": {
			steps: []Step[*script]{judges("A", needs()), judges("B", needs())},
			says:  map[string]Verdict{"A": Await("Approval", "waiting"), "B": Fail("Broken", "broken")},
			want:  "A:Waiting B:Failed", all: v1alpha1.StepFailed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t, c.steps...)
			w.view.says = c.says
			got := w.run()
			w.wants(c.want)
			if got.State != c.all {
				t.Errorf("the whole is %s (%s), want %s", got.State, got.Message, c.all)
			}
		})
	}
}

func TestSettledEntriesAreBelieved(t *testing.T) {
	w := begin(t, judges("A"), judges("B"))
	w.view.says["B"] = Wait("Working", "working")
	w.run()
	before := *w.entry("A", "").DeepCopy()
	w.view.says["A"] = Fail("Broken", "judged again")
	w.clock.Step(time.Hour)
	w.run()
	if !equality.Semantic.DeepEqual(before, *w.entry("A", "")) {
		t.Errorf("a passed entry was judged again: %+v", w.entry("A", ""))
	}
	if got := strings.Join(w.view.recorded, " "); got != "A/" {
		t.Errorf("recorded %q, want A once and B not before it is settled", got)
	}
}

func TestEachSpreadsInPlace(t *testing.T) {
	w := begin(t, judges("A"), judges("B", each), judges("C"))
	w.view.keys = []string{"files", "lang"}
	w.view.says["B/lang"] = Wait("Working", "working")
	w.run()
	w.wants("A:Passed B/files:Passed B/lang:Running C:Pending")
	w.view.keys = []string{"files", "lang", "late"}
	w.run()
	w.wants("A:Passed B/files:Passed B/lang:Running C:Pending")
	w.view.says["B/lang"] = Fail("Broken", "broken")
	w.run()
	w.wants("A:Passed B/files:Passed B/lang:Failed C:Pending")
}

func TestEachOfNothingIsSkipped(t *testing.T) {
	w := begin(t, judges("A"), judges("B", each), judges("C"))
	w.run()
	w.wants("A:Passed B:Skipped C:Passed")
}

func TestKeysInOrder(t *testing.T) {
	w := begin(t, judges("Upgrade", each, func(s *Step[*script]) { s.InOrder = true }), judges("Verify"),
		judges("Undo", finally))
	w.view.keys = []string{"1.5", "3.0"}
	w.view.says["Upgrade/1.5"] = Wait("Working", "working")
	w.run()
	w.wants("Upgrade/1.5:Running Upgrade/3.0:Pending Verify:Pending Undo:Pending")
	w.clock.Step(3 * time.Hour)
	w.view.says["Upgrade/1.5"] = Pass("done")
	w.view.says["Upgrade/3.0"] = Wait("Working", "working")
	w.run()
	w.wants("Upgrade/1.5:Passed Upgrade/3.0:Running Verify:Pending Undo:Pending")
	if got := w.entry("Upgrade", "3.0").Started.Time; !got.Equal(noon.Add(3 * time.Hour)) {
		t.Errorf("the second key began at %s: its time must not run while the first works", got)
	}
}

func TestAFailedKeyEndsTheWhole(t *testing.T) {
	w := begin(t, judges("Upgrade", each, func(s *Step[*script]) { s.InOrder = true }), judges("Verify"),
		judges("Undo", finally))
	w.view.keys = []string{"1.5", "3.0"}
	w.view.says["Upgrade/1.5"] = Fail("UpgradeFailed", "the hop to 1.5 failed")
	got := w.run()
	w.wants("Upgrade/1.5:Failed Upgrade/3.0:Pending Verify:Pending Undo:Pending")
	if got.State != v1alpha1.StepRunning || got.Reason != "UpgradeFailed" {
		t.Errorf("got %+v, want the failure of the first hop at once, and more to do", got)
	}
}

func TestFinally(t *testing.T) {
	for name, c := range map[string]struct {
		says map[string]Verdict
		want string
	}{
		"not while something runs":          {map[string]Verdict{"B": Wait("Working", "working")}, "A:Passed B:Running Undo:Pending"},
		"not while people are awaited":      {map[string]Verdict{"B": Await("Approval", "waiting")}, "A:Passed B:Waiting Undo:Pending"},
		"when all else is blocked":          {map[string]Verdict{"A": Fail("Broken", "broken")}, "A:Failed B:Pending Undo:Passed"},
		"when all is done":                  {nil, "A:Passed B:Passed Undo:Passed"},
		"its own failure leaves the others": {map[string]Verdict{"Undo": Fail("Broken", "broken")}, "A:Passed B:Passed Undo:Failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t, judges("A"), judges("B"), judges("Undo", finally))
			w.view.says = c.says
			w.run()
			w.run()
			w.wants(c.want)
		})
	}
}

// What failed at an end is past when a person has retried what led to it: what people are asked
// for now is told, and not what they would have had to do then.
func TestAnEndThatFailedIsPastAfterARetry(t *testing.T) {
	w := begin(t, judges("A"), judges("B"), judges("Undo", finally))
	w.view.says["A"], w.view.says["Undo"] = Fail("Broken", "broken"), Fail("NotUndone", "not undone")
	w.run()
	w.run()
	w.wants("A:Failed B:Pending Undo:Failed")
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "A@1"}
	delete(w.view.says, "A")
	w.view.says["B"] = Await("Approval", "people decide")
	if got := w.run(); got.State != v1alpha1.StepWaiting || got.Reason != "Approval" {
		t.Errorf("got %+v, want what is awaited", got)
	}
	w.view.says["B"] = Fail("Rejected", "rejected")
	w.run()
	if got := w.run(); got.State != v1alpha1.StepFailed || got.Reason != "Rejected" {
		t.Errorf("got %+v, want the failure that is next", got)
	}
	w.view.says["B"] = Pass("approved")
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "B@1"}
	if got := w.run(); got.State != v1alpha1.StepFailed || got.Reason != "NotUndone" {
		t.Errorf("got %+v, want what failed at the end", got)
	}
}

// TestNothingIsUndoneBeforeTheFailureIsKept: if the verdict were lost with the
// operator, the step would be judged again, by what the undo left of it.
func TestNothingIsUndoneBeforeTheFailureIsKept(t *testing.T) {
	w := begin(t, judges("A", func(s *Step[*script]) { s.Repairable = true }), judges("B", needs()), judges("Undo", finally))
	w.view.says["A"], w.view.says["B"] = Fail("Broken", "broken"), Fail("Broken", "broken")
	got := w.run()
	w.wants("A:Failed B:Failed Undo:Pending")
	if got.State != v1alpha1.StepRunning || got.Reason != "Broken" || !got.Until.Equal(w.clock.Now()) {
		t.Errorf("got %+v, want the failure, and to come back at once", got)
	}
	if got := w.run(); got.State != v1alpha1.StepFailed || !got.Until.IsZero() {
		t.Errorf("got %+v: a failure that is judged again is not a new one", got)
	}
	w.wants("A:Failed B:Failed Undo:Passed")
}

func TestRepeatable(t *testing.T) {
	w := begin(t, judges("A", makesJob, func(s *Step[*script]) { s.Repeatable = func(*script) bool { return true } }), judges("B", makesJob))
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "A@1"}
	w.view.says["A"] = Wait("Working", "working")
	w.run()
	w.wants("A:Running B:Passed")
	w.run()
	if got := w.jobs(); len(got) != 3 || w.entry("A", "").Attempt != 2 {
		t.Errorf("Jobs %v, entry %+v: want one more attempt of A alone", got, w.entry("A", ""))
	}
}

// What rests on a step begins anew with it, what does not stays, and where nothing may
// begin anew the step stays as well.
func TestRepeats(t *testing.T) {
	named := []string{}
	w := begin(t, judges("A", makesJob, func(s *Step[*script]) { s.Repeats = func(*script) []string { return named } }),
		judges("B", makesJob), judges("C", makesJob, needs("B")))
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "A@1"}
	w.view.says["A"] = Wait("Working", "working")
	w.run()
	w.wants("A:Passed B:Passed C:Passed")
	named = []string{"C"}
	w.run()
	w.wants("A:Running B:Passed C:Passed")
	if a, b, c := w.entry("A", "").Attempt, w.entry("B", "").Attempt, w.entry("C", "").Attempt; a != 2 || b != 1 || c != 2 {
		t.Errorf("attempts %d, %d, %d", a, b, c)
	}
	w.run()
	if got := w.jobs(); len(got) != 5 {
		t.Errorf("Jobs %v", got)
	}
}

func TestUnknownStep(t *testing.T) {
	w := begin(t, judges("A"), judges("B"), judges("C"))
	w.view.says["B"] = Wait("Working", "working")
	w.run()
	// A newer version of the operator knows neither A nor B.
	w.steps = []Step[*script]{judges("C", needs("B"))}
	got := w.run()
	w.wants("A:Passed B:Failed C:Pending")
	if got.Reason != v1alpha1.UnknownStepReason || !strings.Contains(got.Message, `"B"`) {
		t.Errorf("got %+v", got)
	}
}

func TestANewerOperatorAddsNoStep(t *testing.T) {
	w := begin(t, judges("A"), judges("B"))
	w.steps = []Step[*script]{judges("A"), judges("New"), judges("B", needs("A"))}
	w.run()
	w.wants("A:Passed B:Passed")
}

func TestEvidenceIsKeptBeforeTheEntrySettles(t *testing.T) {
	w := begin(t, judges("A", makesJob, func(s *Step[*script]) {
		s.Documents = func(*script, At) map[string][]byte { return map[string][]byte{"b.md": nil, "a.md": nil} }
	}))
	w.view.says["A"] = Wait("Working", "working")
	w.run()
	w.run()
	name := w.jobs()[0]
	w.reports.outcomes[name] = JobOutcome{State: JobSucceeded, Documents: map[string][]byte{"run.log": nil}}
	w.view.says["A"] = Pass("done")
	w.reports.refuse = errors.New("no room")
	if _, err := w.try(); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Fatalf("got %v, want the error of the evidence", err)
	}
	w.wants("A:Running")
	if len(w.view.recorded) > 0 {
		t.Error("recorded before the evidence was kept")
	}
	w.reports.refuse = nil
	w.run()
	w.wants("A:Passed")
	var names []string
	for _, e := range w.entry("A", "").Evidence {
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "run.log a.md b.md" {
		t.Errorf("evidence is %q", got)
	}
}

func TestMessagesAreClippedAtACharacter(t *testing.T) {
	w := begin(t, judges("A"))
	w.view.says["A"] = Pass("%s", strings.Repeat("ä", 800)+"!")
	w.run()
	if m := w.entry("A", "").Message; len(m) > 1024 || !utf8.ValidString(m) || !strings.HasSuffix(m, "…") {
		t.Errorf("%d bytes, ends in %q", len(m), m[len(m)-6:])
	}
}
