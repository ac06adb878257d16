// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestRetryIsForOneAttempt(t *testing.T) {
	w := begin(t, judges("A", makesJob), judges("B"))
	w.view.says["A"] = Fail("Broken", "broken")
	ask := func(what string) {
		w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: what}
		w.run()
	}
	w.run()
	for _, other := range []string{"A@0", "A@2", "B@1", "A", "a@1"} {
		ask(other)
		if e := w.entry("A", ""); e.Attempt != 1 || e.State != v1alpha1.StepFailed {
			t.Fatalf("%s: the entry is %+v", other, e)
		}
	}
	first := w.entry("A", "").Children[0].Name
	ask("A@1")
	if e := w.entry("A", ""); e.Attempt != 2 || e.State != v1alpha1.StepFailed || e.Children[0].Name == first {
		t.Fatalf("after a retry the entry is %+v: want attempt 2 with a child of its own", e)
	}
	w.run()
	if e := w.entry("A", ""); e.Attempt != 2 {
		t.Errorf("the same annotation asked for attempt %d", e.Attempt)
	}
	if got := len(w.jobs()); got != 2 {
		t.Errorf("%d Jobs, want one for each attempt", got)
	}
}

// What waited to follow the failure is not visited while the step goes on: it has no say then.
func TestARetryBeginsPatienceAnew(t *testing.T) {
	last := func(s *Step[*script]) { s.Finally = true }
	w := begin(t, judges("A"), judges("Last", makesJob, last))
	w.view.says["A"] = Fail("Broken", "broken")
	server := w.engine.Client
	w.engine.Client = deaf{server}
	for range 2 { // the failure is kept first
		_, _ = w.try()
	}
	if since := w.entry("Last", "").Hindered; since == nil {
		t.Fatal("nothing hinders it")
	}
	w.view.says["A"] = Wait("Working", "working")
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "A@1"}
	w.run()
	if since := w.entry("Last", "").Hindered; since != nil {
		t.Errorf("hindered since %v, and nothing was asked of it since", since)
	}
}

func TestRetryLeavesWhatPassed(t *testing.T) {
	w := begin(t, judges("A"))
	w.run()
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "A@1"}
	w.run()
	if e := w.entry("A", ""); e.Attempt != 1 || e.State != v1alpha1.StepPassed {
		t.Errorf("a passed step was retried: %+v", e)
	}
}

func TestAttempts(t *testing.T) {
	w := begin(t, judges("A", makesJob, func(s *Step[*script]) { s.Attempts = 2 }))
	w.view.says["A"] = Fail("Broken", "broken")
	got := w.run()
	if e := w.entry("A", ""); e.State != v1alpha1.StepPending || e.Attempt != 2 || e.Children != nil {
		t.Fatalf("after the first failure the entry is %+v", e)
	}
	if got.State == v1alpha1.StepFailed || got.Until.IsZero() {
		t.Errorf("got %+v: the engine goes on by itself", got)
	}
	w.run()
	w.wants("A:Failed")
	if got := w.jobs(); len(got) != 2 {
		t.Errorf("Jobs %v, want one for each attempt", got)
	}
}

// Nobody knows how a Job ended: what only looks looks again, and what changes a database does not.
func TestLost(t *testing.T) {
	for again, want := range map[bool]int{true: lostAttempts, false: 1} {
		w := begin(t, judges("A", makesJob, func(s *Step[*script]) { s.AgainIfLost = again }))
		w.view.says["A"] = Fail(v1alpha1.JobLostReason, "containerd was gone")
		for range lostAttempts + 1 {
			w.run()
		}
		w.wants("A:Failed")
		if got := w.jobs(); len(got) != want {
			t.Errorf("again if lost is %t: Jobs %v, want %d", again, got, want)
		}
	}
	w := begin(t, judges("A", makesJob, func(s *Step[*script]) { s.AgainIfLost = true }))
	w.view.says["A"] = Fail("Broken", "broken")
	w.run()
	w.wants("A:Failed")
}

func TestTimeout(t *testing.T) {
	limited := func(s *Step[*script]) { s.Timeout = func(*script) time.Duration { return time.Hour } }
	t.Run("machines that take too long", func(t *testing.T) {
		w := begin(t, judges("A", limited))
		w.view.says["A"] = Wait("Working", "copying")
		if got := w.run(); !got.Until.After(noon.Add(time.Hour)) {
			t.Errorf("woken at %s, want after the deadline", got.Until)
		}
		w.clock.Step(time.Hour)
		w.run()
		w.wants("A:Running")
		w.clock.Step(time.Second)
		w.run()
		if e := w.entry("A", ""); e.Reason != v1alpha1.TimedOutReason || !strings.Contains(e.Message, "copying") {
			t.Errorf("got %s: %s", e.Reason, e.Message)
		}
	})
	t.Run("what nothing else can end", func(t *testing.T) {
		insists := func(s *Step[*script]) { s.Insists = func(*script) bool { return true } }
		w := begin(t, judges("A", limited, insists))
		w.view.says["A"] = Wait("Working", "copying").By(noon.Add(3 * time.Hour))
		w.run()
		w.clock.Step(time.Hour + time.Second)
		for range 2 {
			got := w.run()
			w.wants("A:Waiting")
			if got.Reason != v1alpha1.TimedOutReason || !strings.Contains(got.Message, "copying") || !got.Until.Equal(noon.Add(3*time.Hour)) {
				t.Errorf("got %+v, want a person to hear of it, and to look as before", got)
			}
		}
		w.view.says["A"] = Pass("done")
		w.run()
		w.wants("A:Passed")
	})
	t.Run("people may take as long as they like", func(t *testing.T) {
		w := begin(t, judges("A", limited))
		w.view.says["A"] = Await("SiteBusy", "held by another plan")
		w.run()
		w.clock.Step(48 * time.Hour)
		w.run()
		w.wants("A:Waiting")
		w.view.says["A"] = Wait("Working", "working")
		w.run()
		w.wants("A:Running")
		w.clock.Step(time.Hour + time.Second)
		w.run()
		w.wants("A:Failed")
	})
}

func TestUntilIsTheEarliest(t *testing.T) {
	w := begin(t, judges("A", needs()), judges("B", needs()))
	w.view.says["A"] = Await("Window", "window").By(noon.Add(2 * time.Hour))
	w.view.says["B"] = Await("Window", "window").By(noon.Add(time.Hour))
	got := w.run()
	if !got.Until.Equal(noon.Add(time.Hour)) || Due(got, noon) != time.Hour {
		t.Errorf("due at %s, in %s", got.Until, Due(got, noon))
	}
	if Due(got, noon.Add(3*time.Hour)) != time.Second || Due(Verdict{}, noon) != 0 {
		t.Error("what is past is due in a second; what has no time is not due")
	}
}

func TestRepairable(t *testing.T) {
	w := begin(t, judges("A", func(s *Step[*script]) { s.Repairable = true }), judges("B"))
	w.view.says["A"] = Fail("ImageMissing", "spec.target: no image for 1.5")
	w.run()
	w.wants("A:Failed B:Pending")
	failed := w.entry("A", "").Finished.Time
	w.clock.Step(time.Minute)
	w.run()
	if e := w.entry("A", ""); !e.Finished.Time.Equal(failed) {
		t.Errorf("finished moved from %s to %s although nothing changed", failed, e.Finished)
	}
	delete(w.view.says, "A")
	w.run()
	w.wants("A:Passed B:Passed")
	if e := w.entry("A", ""); e.Attempt != 1 || !e.Finished.Time.Equal(noon.Add(time.Minute)) {
		t.Errorf("mended: %+v", e)
	}
}

// What was refused for hours has its time from when it could be made.
func TestTheTimeOfAStepBeginsWithWhatItMade(t *testing.T) {
	w := begin(t, judges("A", makesJob, func(s *Step[*script]) {
		s.Timeout = func(*script) time.Duration { return time.Hour }
	}))
	w.view.says["A"] = Wait("Working", "copying")
	server, full := w.engine.Client, true
	w.engine.Client = interceptor.NewClient(server.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if full {
				return errors.New("exceeded quota")
			}
			return c.Create(ctx, obj, opts...)
		},
	})
	if _, err := w.try(); err == nil {
		t.Fatal("nothing was refused")
	}
	w.clock.Step(3 * time.Hour)
	full = false
	if w.run(); w.states() != "A:Running" {
		t.Fatalf("%s: %s", w.states(), w.entry("A", "").Message)
	}
	w.clock.Step(61 * time.Minute)
	if w.run(); w.states() != "A:Failed" {
		t.Errorf("%s: it works for ever", w.states())
	}
}
