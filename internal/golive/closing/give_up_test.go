// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

func aRun(point v1alpha1.LeasePoint) *v1alpha1.GoLive {
	g := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "go", UID: "u-1"}}
	g.SetHeld(&v1alpha1.HeldLease{Name: "gradus-campus", Fence: 3, Point: point})
	return g
}

func TestAfterLoss(t *testing.T) {
	const reversible, committed = v1alpha1.PointReversible, v1alpha1.PointCommitted
	me := production.Identity(aRun(reversible))
	before := []v1alpha1.StepStatus{{Name: "CloseDoors", State: v1alpha1.StepRunning}}
	about := []v1alpha1.StepStatus{{Name: StepCommit, State: v1alpha1.StepRunning, Reason: reasonCommitting}}
	tests := map[string]struct {
		was    v1alpha1.LeasePoint
		grip   production.Grip
		ledger []v1alpha1.StepStatus
		want   Loss
		at     v1alpha1.LeasePoint
	}{
		"deleted":                              {reversible, production.Grip{}, before, LossEnd, reversible},
		"emptied":                              {reversible, production.Grip{Fence: 3, Point: reversible}, before, LossEnd, reversible},
		"undone by the watchdog":               {reversible, production.Grip{Fence: 4}, before, LossEnd, reversible},
		"the watchdog undoes":                  {reversible, production.Grip{Fence: 4, Holder: "Watchdog/" + me, Point: reversible}, before, LossWait, reversible},
		"another run holds it":                 {reversible, production.Grip{Fence: 5, Holder: "GoLive/other/u-2", Point: reversible}, before, LossWait, reversible},
		"another one, made anew":               {reversible, production.Grip{Fence: 1, Holder: "GoLive/other/u-2", Point: reversible}, before, LossWait, reversible},
		"deleted past the point":               {committed, production.Grip{}, before, LossResume, committed},
		"emptied past the point":               {committed, production.Grip{Fence: 3, Point: committed}, before, LossResume, committed},
		"taken over past the point, let go":    {committed, production.Grip{Fence: 4}, before, LossWait, committed},
		"free past another's point":            {reversible, production.Grip{Fence: 3, Point: committed}, before, LossWait, reversible},
		"a rollback holds it":                  {committed, production.Grip{Fence: 4, Holder: "Rollback/back/u-3", Point: committed}, before, LossWait, committed},
		"deleted at the very point":            {reversible, production.Grip{}, about, LossResume, committed},
		"emptied after the point, untold":      {reversible, production.Grip{Fence: 3, Point: committed}, about, LossResume, committed},
		"taken by the watchdog, so not passed": {reversible, production.Grip{Fence: 4}, about, LossEnd, reversible},
		"taken back before a crash":            {reversible, production.Grip{Fence: 4, Holder: me, Point: reversible}, before, LossEnd, reversible},
		"and at the very point":                {reversible, production.Grip{Fence: 4, Holder: me, Point: committed}, about, LossResume, committed},
	}
	gone := aRun(reversible)
	gone.DeletionTimestamp = ptr.To(metav1.Now())
	if got, at := AfterLoss(gone, production.Grip{Fence: 3}, about); got != LossEnd || at != reversible {
		t.Errorf("deleted, put back and let go before a crash: %s at %s", got, at)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, at := AfterLoss(aRun(test.was), test.grip, test.ledger); got != test.want || at != test.at {
				t.Errorf("%s at %s, want %s at %s", got, at, test.want, test.at)
			}
		})
	}
}

func TestWhatALedgerSaysOfALeaseThatWasTakenBack(t *testing.T) {
	ledger := func(commit v1alpha1.StepStatus) []v1alpha1.StepStatus {
		commit.Name = StepCommit
		return []v1alpha1.StepStatus{{Name: "Lock", State: v1alpha1.StepPassed}, commit,
			{Name: "Hops", State: v1alpha1.StepPending}, {Name: "Undo", State: v1alpha1.StepPending}}
	}
	about := v1alpha1.StepStatus{State: v1alpha1.StepRunning, Reason: reasonCommitting}
	passed := v1alpha1.StepStatus{State: v1alpha1.StepPassed}
	for name, test := range map[string]struct {
		commit v1alpha1.StepStatus
		loss   Loss
		want   string
	}{
		"it ends before the point":                   {v1alpha1.StepStatus{State: v1alpha1.StepPending}, LossEnd, "Passed Failed Pending Pending"},
		"it goes on past the point":                  {passed, LossResume, "Passed Passed Pending Pending"},
		"unknown: taken as passed, a person decides": {about, LossResume, "Passed Passed Failed Pending"},
		"the watchdog knew that it was not passed":   {about, LossEnd, "Passed Failed Pending Pending"},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger(test.commit)
			Regained(l, test.loss, time.Unix(0, 0))
			var got []string
			for _, e := range l {
				got = append(got, string(e.State))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("the ledger is %v, want %s", got, test.want)
			}
		})
	}
}

// What counts is how long requests fail. A step that has run for an hour must
// not end because one request met an API server that was just started.
func TestGivingUpCountsFromTheFirstFailure(t *testing.T) {
	now := time.Unix(10000, 0)
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, "ask", errors.New("no role is known yet"))
	for name, test := range map[string]struct {
		err            error
		fails, refused time.Duration
		want           bool
	}{
		"one refusal":                         {forbidden, 0, 0, false},
		"refused for half a minute":           {forbidden, 30 * time.Second, 30 * time.Second, true},
		"refused at last":                     {forbidden, 2 * time.Minute, 0, false},
		"no answer for a minute":              {errors.New("connection refused"), time.Minute, -1, false},
		"none for ten minutes":                {errors.New("connection refused"), 10 * time.Minute, -1, true},
		"none for ten minutes, refused since": {forbidden, 10 * time.Minute, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			started, since := metav1.NewTime(now.Add(-time.Hour)), metav1.NewTime(now.Add(-test.fails))
			ledger := []v1alpha1.StepStatus{{Name: "Lock", State: v1alpha1.StepPassed, Started: &started},
				{Name: "FixPoint", State: v1alpha1.StepRunning, Started: &started, Hindered: &since}}
			if test.refused >= 0 {
				refused := metav1.NewTime(now.Add(-test.refused))
				ledger[1].Refused = &refused
			}
			if got := GiveUp(ledger, test.err, now); got != test.want {
				t.Errorf("gave up: %v", got)
			}
		})
	}
}

// Past the point of no return people learn which value is missed, and how it
// comes back.
func TestAConflictSaysWhatIsWantedAndHow(t *testing.T) {
	s := &Scene{Owner: aRun(v1alpha1.PointCommitted), Grip: production.Grip{Held: true, Point: v1alpha1.PointCommitted}}
	c := production.Want("door", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"h": "1"}, v1alpha1.UndoUntilCommit)
	c.State, c.Foreign = v1alpha1.ChangeForeign, "argocd-controller"
	v := s.Conflict(c)
	for _, part := range []string{"argocd-controller", `the value is {"h":"1"} again`,
		`kubectl patch service web -n campus --type=json -p '[{"op":"add","path":"/spec/selector","value":{"h":"1"}}]'`} {
		if !strings.Contains(v.Message, part) {
			t.Errorf("%q is missing in: %s", part, v.Message)
		}
	}
	if v.State != v1alpha1.StepWaiting {
		t.Errorf("state %s", v.State)
	}
}

// A refusal ends a run that has not passed the point, unless it is the undoing
// itself that is refused: that waits, and says for what.
func TestWhatARefusalMeans(t *testing.T) {
	s := &Scene{Owner: aRun(v1alpha1.PointReversible), Grip: production.Grip{Held: true, Point: v1alpha1.PointReversible}}
	c := production.Want("web", "Deployment", "web", v1alpha1.FieldReplicas, "", 0, v1alpha1.UndoUntilCommit)
	two, _ := production.NewValue(2)
	c.Before, c.Foreign = two.Record(), "denied: change freeze"
	c.State = v1alpha1.ChangeIntended
	if v := s.Conflict(c); v.State != v1alpha1.StepFailed || !strings.Contains(v.Message, `{"replicas":0}`) {
		t.Errorf("a change that is not let through: %+v", v)
	}
	c.State = v1alpha1.ChangeUndoing
	v := s.Conflict(c)
	if v.State != v1alpha1.StepWaiting || !strings.Contains(v.Message, "cannot be put back: denied: change freeze") ||
		!strings.Contains(v.Message, `{"replicas":2}`) {
		t.Errorf("one that is not put back: %+v", v)
	}
	ledger := []v1alpha1.StepStatus{{Name: "Quiesce", State: v1alpha1.StepFailed, Reason: "TimedOut"},
		{Name: "Undo", State: v.State, Reason: v.Reason, Message: v.Message}}
	if told := Refused(ledger); told == nil || !strings.HasPrefix(told.Message, "Undo: Replicas of Deployment web") {
		t.Errorf("told %+v", told)
	}
}

// Who looks at a lost lease settles nothing: what still stands is undone later.
func TestUndoIsNotSettledByALostLease(t *testing.T) {
	s := &Scene{Owner: aRun(v1alpha1.PointReversible), Grip: production.Grip{Lost: true}}
	if v := Undo[*Scene]().Judge(s, pipeline.At{}, pipeline.Seen{Changed: true}); v.State != v1alpha1.StepRunning {
		t.Errorf("%+v", v)
	}
}
