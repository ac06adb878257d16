// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

func TestStepsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	committed := false
	for _, step := range Steps {
		if !regexp.MustCompile(`^[A-Z][A-Za-z]{1,39}$`).MatchString(step.Name) || seen[step.Name] || step.Judge == nil {
			t.Errorf("step %q", step.Name)
		}
		seen[step.Name] = true
		if step.Attempts > 1 {
			t.Errorf("%s is tried again by itself", step.Name)
		}
		committed = committed || step.Name == closing.StepCommit
		if (step.Name == "Switch" || step.Name == "Images") && !committed {
			t.Errorf("%s comes before the point of no return", step.Name)
		}
	}
}

func TestLost(t *testing.T) {
	counts := func(pairs ...string) (out []v1alpha1.Count) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, v1alpha1.Count{Name: pairs[i], Value: pairs[i+1]})
		}
		return out
	}
	tests := map[string]struct {
		before, now []v1alpha1.Count
		rows        int64
		lost        []v1alpha1.Count
	}{
		"nothing was written": {counts("posts", "10, 99"), counts("posts", "10, 99"), 0, nil},
		"rows were written":   {counts("posts", "10, 99", "users", "5"), counts("posts", "22, 140", "users", "5"), 12, counts("posts", "12")},
		"a post was edited":   {counts("posts", "10, 99"), counts("posts", "10, 120"), 1, counts("posts", "1")},
		"rows were deleted":   {counts("posts", "10, 99"), counts("posts", "8, 70"), 1, counts("posts", "1")},
		"a figure is new":     {counts("posts", "10"), counts("posts", "10", "badges", "3"), 0, nil},
		"several figures":     {counts("a", "1", "b", "1"), counts("b", "3", "a", "2"), 3, counts("a", "1", "b", "2")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rows, lost := Lost(test.before, test.now)
			if diff := cmp.Diff(test.lost, lost); rows != test.rows || diff != "" {
				t.Errorf("%d rows\n%s", rows, diff)
			}
		})
	}
}

func door(owner string, state v1alpha1.ChangeState) v1alpha1.Change {
	c := production.Want("door", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"holding": owner}, v1alpha1.UndoUntilCommit)
	c.State = state
	return c
}

func failedGoLive() *v1alpha1.GoLive {
	g := &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{
		Steps:   []v1alpha1.StepStatus{{Name: "Commit", State: v1alpha1.StepPassed}, {Name: "Hops", State: v1alpha1.StepFailed}},
		Changes: []v1alpha1.Change{door("theirs", v1alpha1.ChangeApplied), door("old", v1alpha1.ChangeUndone)},
	}}
	g.Name, g.UID = "go", "1"
	return g
}

func TestARollbackTakesOverWhatAFailedGoLiveHolds(t *testing.T) {
	r, g := &v1alpha1.Rollback{}, failedGoLive()
	Inherit(r, g)
	if len(r.Status.Changes) != 1 || !inherited(r, g) {
		t.Fatalf("journal %v", r.Status.Changes)
	}
	Inherit(r, g) // once
	if len(r.Status.Changes) != 1 {
		t.Error("inherited twice")
	}
	opened := failedGoLive()
	opened.Status.Steps[1].State = v1alpha1.StepPassed
	r = &v1alpha1.Rollback{}
	if Inherit(r, opened); len(r.Status.Changes) != 0 {
		t.Error("inherited from a go-live that did not fail")
	}
}

// Users who were let in since the failure may have written: what the ledger of
// a failed go-live says is not enough.
func TestNobodyWroteOnlyWhileTheDoorsStayedClosed(t *testing.T) {
	g := failedGoLive()
	tests := map[string]struct {
		grip    production.Grip
		journal []v1alpha1.Change
		want    bool
	}{
		"the go-live still holds the site":      {production.Grip{Holder: "GoLive/go/1", Point: v1alpha1.PointCommitted}, nil, true},
		"we took it over":                       {production.Grip{Held: true, Point: v1alpha1.PointCommitted}, g.Status.Changes[:1], true},
		"the site is free":                      {production.Grip{}, nil, false},
		"another rollback holds it":             {production.Grip{Holder: "Rollback/x/2", Point: v1alpha1.PointCommitted}, nil, false},
		"we closed the doors ourselves":         {production.Grip{Held: true, Point: v1alpha1.PointCommitted}, []v1alpha1.Change{door("ours", v1alpha1.ChangeApplied)}, false},
		"held by the go-live, still reversible": {production.Grip{Holder: "GoLive/go/1", Point: v1alpha1.PointReversible}, nil, false},
	}
	for name, test := range tests {
		r := &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{Changes: test.journal}}
		v := View{Scene: &closing.Scene{Owner: r, Grip: test.grip}, Rollback: r, GoLive: g}
		if got := v.afterFailure(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestConfirm(t *testing.T) {
	r := &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{Price: &v1alpha1.RollbackPrice{Digest: "sha256:p", Rows: 12}}}
	r.Name = "back"
	approval := func(who, digest string, decision v1alpha1.Decision) v1alpha1.UpgradeApproval {
		return v1alpha1.UpgradeApproval{Spec: v1alpha1.UpgradeApprovalSpec{RollbackRef: &v1alpha1.LocalRef{Name: "back"},
			Gate: v1alpha1.GateDataLoss, Digest: digest, Decision: decision, Approver: who}}
	}
	tests := map[string]struct {
		allowed  int64
		approval v1alpha1.UpgradeApproval
		want     v1alpha1.StepState
	}{
		"nobody decided":    {0, v1alpha1.UpgradeApproval{}, v1alpha1.StepWaiting},
		"little enough":     {12, v1alpha1.UpgradeApproval{}, v1alpha1.StepPassed},
		"a person confirms": {0, approval("oncall", "sha256:p", v1alpha1.DecisionApprove), v1alpha1.StepPassed},
		"for another price": {0, approval("oncall", "sha256:q", v1alpha1.DecisionApprove), v1alpha1.StepWaiting},
		"a service account": {0, approval("system:serviceaccount:a:b", "sha256:p", v1alpha1.DecisionApprove), v1alpha1.StepWaiting},
		"without an author": {0, approval("", "sha256:p", v1alpha1.DecisionApprove), v1alpha1.StepWaiting},
		"a person rejects":  {0, approval("oncall", "sha256:p", v1alpha1.DecisionReject), v1alpha1.StepFailed},
	}
	for name, test := range tests {
		r.Spec.MaxDataLoss.Rows = test.allowed
		v := View{Scene: &closing.Scene{Owner: r}, Rollback: r, Approvals: []v1alpha1.UpgradeApproval{test.approval}}
		if got := confirm.Judge(v, pipeline.At{}, pipeline.Seen{}); got.State != test.want {
			t.Errorf("%s: %s", name, got.State)
		}
	}
}
