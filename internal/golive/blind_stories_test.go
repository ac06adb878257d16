// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func began(step string) func(*v1alpha1.GoLive) bool {
	return func(g *v1alpha1.GoLive) bool {
		return slices.ContainsFunc(g.Status.Steps, func(e v1alpha1.StepStatus) bool { return e.Name == step && e.Started != nil })
	}
}

// What is put back stays so: a retry that is heard now would close the site with
// nobody left who undoes that.
func TestARetryIsNotHeardWhileTheSiteIsPutBack(t *testing.T) {
	w := newWorld(t)
	w.outcomes["-awaitsilence-"] = broken("SessionsLeft")
	w.order(nil)
	w.until("an undo", began("Undo"))
	delete(w.outcomes, "-awaitsilence-")
	g := w.get()
	g.Annotations = map[string]string{v1alpha1.RetryAnnotation: "AwaitSilence@1"}
	w.must(w.admin.Update(w.ctx, g))
	g = w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "SessionsLeft" {
		t.Errorf("Succeeded is %s %s", c.Status, c.Reason)
	}
	w.wantServing("campus:1.0")
}

// One read that is refused does not mean that the object is gone.
func TestOneRefusedReadIsNoMissingObject(t *testing.T) {
	for _, name := range []string{"web", "cron", "campus"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.until("a closed site", began("FixPoint"))
			w.blind = name
			w.tick()
			w.tick()
			w.blind = ""
			if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
				t.Errorf("%s: %s", c.Reason, c.Message)
			}
			w.wantServing("campus:2.0")
		})
	}
}

// A run that cannot see its site any more judges nothing and puts nothing back:
// its watchdog must.
func TestTheWatchdogOpensASiteThatItsRunCannotSee(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.until("a closed site", began("FixPoint"))
	dog := w.dog()
	if dog == nil {
		t.Fatal("there is no watchdog")
	}
	w.blind = "web"
	for begun := w.clock.Now(); !w.isOpen(); w.tick() {
		w.must(dog.Look(w.ctx))
		if w.clock.Since(begun) > 20*time.Minute {
			t.Fatalf("closed for %s", w.clock.Since(begun))
		}
	}
	w.blind = ""
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionFalse {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// A rollback that cannot see the site in the moment when it takes it over still
// knows afterwards what it took over.
func TestARollbackThatIsBlindWhenItTakesOver(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["go-hop"] = broken("CountsDiffer")
	w.outcomes["go-back-"] = finds(100)
	w.until("a rollback that takes the site over", func(*v1alpha1.GoLive) bool {
		return w.rollbacks() == 1 && at("TakeLease")(w.rollback())
	})
	w.blind = "web"
	for range 5 {
		w.tick()
	}
	w.blind = ""
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionFalse || c.Reason != "CountsDiffer" {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}
