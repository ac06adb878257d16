// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
		unknown     string
	}{
		"nothing was written": {counts("posts", "10, 99"), counts("posts", "10, 99"), 0, nil, ""},
		"rows were written":   {counts("posts", "10, 99", "users", "5"), counts("posts", "22, 140", "users", "5"), 12, counts("posts", "12"), ""},
		"a post was edited":   {counts("posts", "10, 99"), counts("posts", "10, 120"), 1, counts("posts", "1"), ""},
		"rows were deleted":   {counts("posts", "10, 99"), counts("posts", "8, 70"), 1, counts("posts", "1"), ""},
		"several figures":     {counts("a", "1", "b", "1"), counts("b", "3", "a", "2"), 3, counts("a", "1", "b", "2"), ""},
		"a figure is new": {counts("posts", "10"), counts("posts", "12", "badges", "3"), 2, counts("posts", "2"),
			"the backup has no figure of badges"},
		"a figure is gone":        {counts("posts", "10", "users", "5"), counts("posts", "10"), 0, nil, "the database gave no figure of users"},
		"a backup without any":    {nil, counts("posts", "10"), 0, nil, "the backup has no figures"},
		"a database that is mute": {counts("posts", "10"), nil, 0, nil, "the database gave no figures"},
		"neither has any":         {nil, nil, 0, nil, "the backup has no figures; the database gave no figures"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			loss := Lost(test.before, test.now)
			if diff := cmp.Diff(test.lost, loss.Lost); loss.Rows != test.rows || loss.Unknown != test.unknown || diff != "" {
				t.Errorf("%d rows, unknown %q\n%s", loss.Rows, loss.Unknown, diff)
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
		Lease:   &v1alpha1.HeldLease{Point: v1alpha1.PointCommitted},
		Steps:   []v1alpha1.StepStatus{{Name: "Commit", State: v1alpha1.StepPassed}, {Name: "Hops", State: v1alpha1.StepFailed}},
		Changes: []v1alpha1.Change{door("theirs", v1alpha1.ChangeApplied), door("old", v1alpha1.ChangeUndone)},
	}}
	g.Name, g.UID = "go", "1"
	return g
}

func TestARollbackTakesOverWhatAFailedGoLiveHolds(t *testing.T) {
	r, g := &v1alpha1.Rollback{}, failedGoLive()
	r.Status.Lease = &v1alpha1.HeldLease{Point: v1alpha1.PointReversible}
	Inherit(r, g, standing(t, g))
	if len(r.Status.Changes) != 0 {
		t.Errorf("takes over with a lease that is undone: %v", r.Status.Changes)
	}
	r.Status.Lease.Point = v1alpha1.PointCommitted
	Inherit(r, g, standing(t, g))
	if len(r.Status.Changes) != 1 || !inherited(r, g) {
		t.Fatalf("journal %v", r.Status.Changes)
	}
	Inherit(r, g, standing(t, g)) // once
	if len(r.Status.Changes) != 1 {
		t.Error("inherited twice")
	}
	opened := failedGoLive()
	opened.Status.Steps[1].State, opened.Status.Opened = v1alpha1.StepPassed, &metav1.Time{Time: time.Now()}
	r = holding()
	if Inherit(r, opened, standing(t, opened)); len(r.Status.Changes) != 0 {
		t.Error("inherited from a go-live that did not fail")
	}
	r, gone := holding(), failedGoLive()
	gone.Status.Lease = nil
	if Inherit(r, gone, standing(t, gone)); len(r.Status.Changes) != 1 {
		t.Error("a go-live that has seen us take over is not inherited from after a crash")
	}
	r = holding()
	if Inherit(r, g, make([]production.Observed, 2)); len(r.Status.Changes) != 0 {
		t.Error("inherited what does not stand any more")
	}
	opened.Status.Changes[0].Undo = v1alpha1.UndoAlways
	if Inherit(r, opened, standing(t, opened)); len(r.Status.Changes) != 1 {
		t.Error("the extra pods of a go-live that let users in are not taken over")
	}
}

// holding is a rollback that has the site past the point of no return.
func holding() *v1alpha1.Rollback {
	return &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{Lease: &v1alpha1.HeldLease{Point: v1alpha1.PointCommitted}}}
}

func TestWhoGivesWay(t *testing.T) {
	failed, back := failedGoLive(), failedGoLive()
	back.Status.Lease = nil // somebody went back from it
	if From(failed, nil) != "GoLive/go/1" || From(back, nil) != "" || From(nil, nil) != "" {
		t.Errorf("%q, %q, %q", From(failed, nil), From(back, nil), From(nil, nil))
	}
}

// standing observes every change as it was made.
func standing(t *testing.T, g *v1alpha1.GoLive) []production.Observed {
	t.Helper()
	var out []production.Observed
	for _, c := range g.Status.Changes {
		value, err := production.ValueOf(c.After)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, production.Observed{Object: &unstructured.Unstructured{Object: map[string]any{}}, Value: value})
	}
	return out
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

// priced gives a rollback that tom created, with a price.
func priced(rows, allowed int64, unknown string) *v1alpha1.Rollback {
	r := &v1alpha1.Rollback{}
	r.Name, r.Annotations = "back", map[string]string{v1alpha1.AuthorsAnnotation: "tom"}
	r.Spec.MaxDataLoss.Rows = allowed
	r.Status.Price = &v1alpha1.RollbackPrice{Digest: "sha256:p", RollbackLoss: lossOf(rows, unknown, "posts", rows)}
	return r
}

func lossOf(rows int64, unknown string, figures ...any) v1alpha1.RollbackLoss {
	loss := v1alpha1.RollbackLoss{Rows: rows, Unknown: unknown}
	for i := 0; i < len(figures); i += 2 {
		loss.Lost = append(loss.Lost, v1alpha1.Count{Name: figures[i].(string), Value: fmt.Sprint(figures[i+1])})
	}
	return loss
}

func says(who, digest string, decision v1alpha1.Decision) v1alpha1.UpgradeApproval {
	return v1alpha1.UpgradeApproval{ObjectMeta: metav1.ObjectMeta{Name: string(decision) + who}, Spec: v1alpha1.UpgradeApprovalSpec{
		RollbackRef: &v1alpha1.LocalRef{Name: "back"},
		Gate:        v1alpha1.GateDataLoss, Digest: digest, Decision: decision, Approver: who}}
}

// A price that was told while nobody could write says nothing once users are in.
func TestAPriceDoesNotOutliveClosedDoors(t *testing.T) {
	at := func(minutes int) *metav1.Time {
		return &metav1.Time{Time: time.Date(2026, 9, 23, 12, minutes, 0, 0, time.UTC)}
	}
	asked := []v1alpha1.StepStatus{{Name: "Confirm", State: v1alpha1.StepPassed, Reason: "Passed"}}
	nobody := []v1alpha1.StepStatus{{Name: "Confirm", State: v1alpha1.StepSkipped, Reason: "NothingLost"}}
	for name, c := range map[string]struct {
		steps  []v1alpha1.StepStatus
		opened *metav1.Time
		want   string
	}{
		"nobody was let in by a run":             {asked, nil, ""},
		"users were in when it was told":         {asked, at(5), ""},
		"they were let in since":                 {asked, at(15), "PriceOutdated"},
		"nobody was asked, and the site is open": {nobody, nil, "PriceOutdated"},
	} {
		back := priced(0, 0, "")
		back.Status.Price.Counted, back.Status.Steps = *at(10), c.steps
		v := View{Scene: &closing.Scene{Owner: back}, Rollback: back, Opened: c.opened}
		if got := v.unconfirmed(); got == nil != (c.want == "") || got != nil && got.Reason != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestConfirm(t *testing.T) {
	yes, no := v1alpha1.DecisionApprove, v1alpha1.DecisionReject
	tests := map[string]struct {
		back      *v1alpha1.Rollback
		approvals []v1alpha1.UpgradeApproval
		want      v1alpha1.StepState
		message   string
	}{
		"nobody decided":    {priced(12, 0, ""), nil, v1alpha1.StepWaiting, "12 rows written since the backup (12 posts) would be lost; how long users would be shut out was never measured"},
		"little enough":     {priced(12, 12, ""), nil, v1alpha1.StepPassed, "12 rows may be lost without asking"},
		"a person confirms": {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("oncall", "sha256:p", yes)}, v1alpha1.StepPassed, "oncall accepts"},
		"for another price": {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("oncall", "sha256:q", yes)}, v1alpha1.StepWaiting, "another subject"},
		"a service account": {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("system:serviceaccount:a:b", "sha256:p", yes)},
			v1alpha1.StepWaiting, "is a service account"},
		"without an author":  {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("", "sha256:p", yes)}, v1alpha1.StepWaiting, "has no approver"},
		"its creator":        {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("tom", "sha256:p", yes)}, v1alpha1.StepWaiting, "not counted: tom (own rollback)"},
		"a person rejects":   {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("oncall", "sha256:p", no)}, v1alpha1.StepFailed, "rejected by oncall"},
		"one of two rejects": {priced(12, 0, ""), []v1alpha1.UpgradeApproval{says("a", "sha256:p", yes), says("z", "sha256:p", no)}, v1alpha1.StepFailed, "rejected by z"},
		"an unknown loss": {priced(0, 99, "the backup has no figures"), nil, v1alpha1.StepWaiting,
			"what could not be counted (the backup has no figures), would be lost"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := View{Scene: &closing.Scene{Owner: test.back}, Rollback: test.back, Approvals: test.approvals}
			got := confirm.Judge(v, pipeline.At{}, pipeline.Seen{})
			if got.State != test.want || !strings.Contains(got.Message, test.message) {
				t.Errorf("%s: %s", got.State, got.Message)
			}
			// What was confirmed is asked for again at the point of no return.
			if no := v.unconfirmed(); (no == nil) != (test.want == v1alpha1.StepPassed) {
				t.Errorf("at the point of no return: %v", no)
			}
		})
	}
	unstamped := priced(12, 12, "")
	unstamped.Annotations = nil
	v := View{Scene: &closing.Scene{Owner: unstamped}, Rollback: unstamped}
	if got := confirm.Judge(v, pipeline.At{}, pipeline.Seen{}); got.State != v1alpha1.StepWaiting {
		t.Errorf("maxDataLoss that admission did not see: %s", got.State)
	}
}

// What users write until the doors close is lost as well.
func TestTheLossIsCountedAgain(t *testing.T) {
	tests := map[string]struct {
		back *v1alpha1.Rollback
		now  v1alpha1.RollbackLoss
		want string
	}{
		"the same":                   {priced(12, 0, ""), lossOf(12, "", "posts", 12), ""},
		"less":                       {priced(12, 0, ""), lossOf(3, "", "posts", 3), ""},
		"more":                       {priced(12, 0, ""), lossOf(13, "", "posts", 13), "PriceRose"},
		"more, and little":           {priced(0, 5, ""), lossOf(5, "", "posts", 5), ""},
		"more than little":           {priced(0, 5, ""), lossOf(6, "", "posts", 6), "PriceRose"},
		"as many, of another figure": {priced(12, 0, ""), lossOf(12, "", "grades", 1, "posts", 11), "PriceRose"},
		"not known any more":         {priced(12, 20, ""), lossOf(12, "the database gave no figures", "posts", 12), "PriceRose"},
		"never known":                {priced(0, 0, "the backup has no figures"), lossOf(0, "the backup has no figures"), ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := View{Scene: &closing.Scene{Owner: test.back}, Rollback: test.back}
			got := v.accept(test.now)
			if got.State == v1alpha1.StepPassed && test.want == "" {
				return
			}
			if got.State != v1alpha1.StepFailed || got.Reason != test.want || !strings.Contains(got.Message, "create a new Rollback") {
				t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
			}
		})
	}
}
