// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// The command that a failed go-live is told to be tried again with makes another one,
// and the same is followed to its end as long as it may go on.
func TestGoLiveIsTriedAgain(t *testing.T) {
	failed := v1alpha1.GoLiveStatus{Conditions: []metav1.Condition{
		{Type: "Ready", Status: "True", Reason: "Over"}, {Type: "Succeeded", Status: "False", Reason: "SessionsLeft", Message: "put back"}}}
	done := v1alpha1.GoLiveStatus{Version: "3.0", Conditions: []metav1.Condition{
		{Type: "Ready", Status: "True", Reason: "Over"}, {Type: "Succeeded", Status: "True", Reason: "Succeeded"}}}
	for name, c := range map[string]struct {
		was, is v1alpha1.GoLiveStatus
		state   v1alpha1.StepState
		made    int
	}{
		"it was put back": {failed, failed, v1alpha1.StepRunning, 2},
		"it had failed in our eyes, and then it did": {failed, done, v1alpha1.StepPassed, 1},
	} {
		b := only(t, ready(t), v1alpha1.StepGoLive)
		b.run()
		run := b.made[0].(*v1alpha1.GoLive)
		becomes := func(status v1alpha1.GoLiveStatus) {
			if err := b.engine.Client.Get(t.Context(), client.ObjectKeyFromObject(run), run); err != nil {
				t.Fatal(err)
			}
			run.Status = status
			if err := b.engine.Client.Update(t.Context(), run); err != nil {
				t.Fatal(err)
			}
			b.view.GoLive = run
		}
		becomes(c.was)
		if e := b.run(); e.State != v1alpha1.StepFailed {
			t.Fatalf("%s: %s", name, e.State)
		}
		becomes(c.is)
		b.view.Plan.Annotations[v1alpha1.RetryAnnotation] = "GoLive@1"
		if e := b.run(); e.State != c.state || e.Attempt != 2 || len(b.made) != c.made || len(e.Children) != 1 ||
			(e.Children[0].Name == run.Name) != (c.made == 1) {
			t.Errorf("%s: %s, attempt %d, %v; %d made", name, e.State, e.Attempt, e.Children, len(b.made))
		}
	}
}

// A retry that went on with the go-live of before does not order another one when somebody
// deletes that.
func TestAGoLiveThatWasTakenUpAgainIsNotReplaced(t *testing.T) {
	b := only(t, ready(t), v1alpha1.StepGoLive)
	b.run()
	run := b.made[0].(*v1alpha1.GoLive)
	b.view.GoLive = run
	entry := &b.ledger[0]
	now := metav1.Now()
	entry.State, entry.Finished = v1alpha1.StepFailed, &now
	b.view.Plan.Annotations[v1alpha1.RetryAnnotation] = "GoLive@1"
	if e := b.run(); e.Attempt != 2 || len(e.Children) != 1 || e.Children[0].Name != run.Name {
		t.Fatalf("attempt %d: %v", e.Attempt, e.Children)
	}
	if err := b.engine.Client.Delete(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	b.view.GoLive = nil
	if e := b.run(); e.Reason != pipeline.ChildGoneReason || len(b.made) != 1 {
		t.Errorf("%s: %s; %d made", e.Reason, e.Message, len(b.made))
	}
}

// As long as a go-live that lost the site has changes there no other one is ordered.
func TestAGoLiveThatWasShutOutEndsFirst(t *testing.T) {
	left := v1alpha1.Change{ID: "door", State: v1alpha1.ChangeApplied}
	shutOut := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Name: "autumn-golive-1"}, Status: v1alpha1.GoLiveStatus{
		Lease: &v1alpha1.HeldLease{Name: "gradus-campus", Point: v1alpha1.PointReversible}, Changes: []v1alpha1.Change{left},
		Closed:     &metav1.Time{Time: noon},
		Conditions: []metav1.Condition{{Type: "Stalled", Status: "True", Reason: v1alpha1.LeaseLostReason, Message: "1 of 1"}}}}
	b := only(t, ready(t), v1alpha1.StepGoLive)
	b.view.GoLive = shutOut
	b.view.Plan.Status.GoLive = shutOut.Name
	if e := b.run(); e.Reason != "GoingBack" || len(b.made) > 0 {
		t.Errorf("%s: %s; %d made", e.Reason, e.Message, len(b.made))
	}
	if got := production(b.view); got != "closed, Reversible" {
		t.Error(got)
	}
	if got := Abort(b.view, "no"); got.Reason != "Aborting" {
		t.Errorf("%+v", got)
	}
	shutOut.Status.Changes[0].State = v1alpha1.ChangeUndone
	if e := b.run(); len(b.made) != 1 {
		t.Errorf("%s: %s; %d made", e.Reason, e.Message, len(b.made))
	}
	if got := production(b.view); got != "open; every change was undone" {
		t.Error(got)
	}
	if got := Abort(b.view, "no"); got.Reason != v1alpha1.AbortedReason {
		t.Errorf("%+v", got)
	}
}

// A go-live that was deleted and put back is told as such, whatever else the plan would wait for.
func TestAGoLiveThatIsGoneIsNotWaitedFor(t *testing.T) {
	b := only(t, ready(t), v1alpha1.StepGoLive)
	b.run()
	if err := b.engine.Client.Delete(t.Context(), b.made[0]); err != nil {
		t.Fatal(err)
	}
	b.view.Approvals = nil
	if e := b.run(); e.State != v1alpha1.StepFailed || e.Reason != "ChildGone" {
		t.Errorf("%s %s: %s", e.State, e.Reason, e.Message)
	}
	b.view.Plan.Status.GoLive = b.made[0].GetName()
	if got := production(b.view); !strings.HasPrefix(got, "unknown: go-live autumn-golive-1") {
		t.Error(got)
	}
	b.view.Plan.Status.Steps = []v1alpha1.StepStatus{
		{Name: v1alpha1.StepGoLive, State: v1alpha1.StepFailed, Reason: "SessionsLeft"}}
	if got := production(b.view); got != "open; every change was undone" {
		t.Error(got)
	}
	b.view.Plan.Status.Steps = []v1alpha1.StepStatus{{Name: v1alpha1.StepGoLive, State: v1alpha1.StepPassed}}
	if got := production(b.view); got != "open, at 3.0" {
		t.Error(got)
	}
}

// Users see a holding page, paused or not: a plan whose go-live needs a person says so, and
// is not in order.
func TestAPlanIsBlockedByItsGoLive(t *testing.T) {
	v := autumn(t, standing("ppppppppppppppw..."), func(v *View) {
		v.Plan.Annotations = map[string]string{v1alpha1.PauseAnnotation: "true"}
	})
	waits := pipeline.Await("HopFailed", "go-live autumn-golive-1: the site stays closed")
	if Summarise(v, waits, nil); v.Plan.Status.Summary.State != v1alpha1.PlanPaused {
		t.Errorf("nothing was ordered: %s", v.Plan.Status.Summary.State)
	}
	v.Plan.Status.Steps[14].Children = []v1alpha1.ChildRef{{Kind: "GoLive", Name: "autumn-golive-1"}}
	v.GoLive = &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Name: "autumn-golive-1"}}
	if Summarise(v, waits, nil); v.Plan.Status.Summary.State != v1alpha1.PlanWaiting || len(v.Plan.Status.WaitingFor) != 1 {
		t.Errorf("a gate of its own: %+v", v.Plan.Status.Summary)
	}
	v.GoLive.Status.Conditions = []metav1.Condition{{Type: "Stalled", Status: "True", Reason: "HopFailed", Message: "2.0"}}
	v.GoLive.Status.Lease = &v1alpha1.HeldLease{Name: "gradus-campus", Point: v1alpha1.PointReversible}
	for name, verdict := range map[string]pipeline.Verdict{"stalled": waits, "an abort waits for it": Abort(v, "no")} {
		got := Summarise(v, verdict, nil)
		if got.State != v1alpha1.StepFailed || v.Plan.Status.Summary.State != v1alpha1.PlanBlocked ||
			v.Plan.Status.WaitingFor[0].Command != "kubectl describe golive autumn-golive-1 -n campus" {
			t.Errorf("%s: %s, %+v", name, got.State, v.Plan.Status)
		}
	}
}

// An abort that comes when users are in ends the plan, and says what it came to.
func TestAnAbortThatCameTooLate(t *testing.T) {
	v := autumn(t, standing("ppppppppppppppr..."), func(*View) {})
	v.GoLive = &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Version: "3.0",
		Conditions: []metav1.Condition{{Type: "Succeeded", Status: "True"}}}}
	Summarise(v, Abort(v, "enough"), nil)
	if e := v.Plan.Status.Steps[14]; e.State != v1alpha1.StepPassed || e.Message != "the site serves 3.0; aborted: enough" {
		t.Errorf("%s: %s", e.State, e.Message)
	}
	if e := v.Plan.Status.Steps[15]; e.State == v1alpha1.StepPassed {
		t.Errorf("%s is %s", e.Name, e.State)
	}
}
