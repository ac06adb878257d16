// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
)

// goesBackSoon fails past the point of no return, and cannot make its Rollback yet.
func goesBackSoon(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.order(nil)
	w.versions("1.0")
	w.outcomes["go-verify"] = broken("CountsDiffer")
	w.refuse = "go-back"
	w.until("on its way back", func(g *v1alpha1.GoLive) bool { return reason(g, golive.StepRollBack) == "RollingBack" })
	return w
}

// Who retries before the Rollback is made has nothing undone later.
func TestAGoLiveThatWasRetriedDoesNotGoBack(t *testing.T) {
	w := goesBackSoon(t)
	delete(w.outcomes, "go-verify")
	w.retry("Verify@1")
	w.until("retried", func(g *v1alpha1.GoLive) bool { return state(g, "Verify") == v1alpha1.StepPassed })
	w.refuse = ""
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("it ended as %s: %s", c.Reason, c.Message)
	}
	for range 5 {
		w.tick()
	}
	if n := w.rollbacks(); n != 0 {
		t.Errorf("%d rollbacks of a site that was opened", n)
	}
	w.wantServing("campus:2.0")
}

// A site that stays closed because the Rollback is refused calls a person, and goes back as soon
// as it is not refused any more.
func TestARollbackThatIsRefusedCallsAPerson(t *testing.T) {
	w := goesBackSoon(t)
	stalled := func() *metav1.Condition {
		return meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.StalledCondition)
	}
	began := w.clock.Now()
	for w.clock.Since(began) < 9*time.Minute {
		w.tick()
	}
	if c := stalled(); c != nil {
		t.Fatalf("stalled after nine minutes: %s", c.Message)
	}
	w.until("a person is called", func(*v1alpha1.GoLive) bool { return stalled() != nil })
	if c := stalled(); c.Reason != "RollbackNotMade" || !strings.Contains(c.Message, "creates a Rollback to this GoLive") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if took := w.clock.Since(began); took > 11*time.Minute {
		t.Errorf("nobody was called for %s", took)
	}
	w.refuse = ""
	w.wantBack()
	if n := w.rollbacks(); n != 1 {
		t.Errorf("%d rollbacks", n)
	}
}

// Once the Rollback is made it is too late: it would take the site from under the step.
func TestARetryIsTooLateWhenTheRollbackIsMade(t *testing.T) {
	w := goesBackSoon(t)
	w.refuse = ""
	w.until("a rollback", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 })
	if w.rollback().Status.Lease != nil {
		t.Fatal("it has the site already")
	}
	delete(w.outcomes, "go-verify")
	w.retry("Verify@1")
	w.wantBack()
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || state(g, golive.StepRollBack) != v1alpha1.StepPassed || w.rollbacks() != 1 {
		t.Errorf("it ended as %s: %s, %d rollbacks", c.Reason, c.Message, w.rollbacks())
	}
}

// A person's Rollback that takes the site first is the only one.
func TestAPersonGoesBackFirst(t *testing.T) {
	w := goesBackSoon(t)
	w.backFromGo("back")
	w.backUntil("taken over", at("HoldingPage"))
	w.refuse = ""
	w.wantBack()
	if n := w.rollbacks(); n != 1 {
		t.Errorf("%d rollbacks", n)
	}
}
