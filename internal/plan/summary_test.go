// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
)

// standing sets the states of the steps: "p" passed, "s" skipped, "r" running,
// "w" waiting, "f" failed, "." pending.
func standing(states string) func(*View) {
	return func(v *View) {
		for i, c := range states {
			v.Plan.Status.Steps[i].State = map[rune]v1alpha1.StepState{
				'p': v1alpha1.StepPassed, 's': v1alpha1.StepSkipped, 'r': v1alpha1.StepRunning,
				'w': v1alpha1.StepWaiting, 'f': v1alpha1.StepFailed, '.': v1alpha1.StepPending,
			}[c]
		}
	}
}

func TestTheStepThatMatters(t *testing.T) {
	if got := pointer(autumn(t, standing("ppprwwwwwwwwwwf...")).Plan.Status.Steps); got.name != v1alpha1.StepEstablishRequirements {
		t.Errorf("%s, while what a go-live rests on begins anew", got.label)
	}
	for states, want := range map[string]string{
		"..................": "1/18 EngageStakeholders",
		"ppr...............": "3/18 ReviewSite",
		"ppppp.r...........": "7/18 BackUp", // 6 needs the trial of 8
		"ppppp.pr..........": "8/18 RunTrial",
		"pppppppppsrpsp....": "11/18 Configure",
		"ppppppppppfppw....": "11/18 Configure", // a failure goes first
		"ppppppppppppppw...": "15/18 GoLive",
		"pppppppppppppppppp": "18/18 Celebrate",
	} {
		v := autumn(t, standing(states))
		if got := pointer(v.Plan.Status.Steps).label; got != want {
			t.Errorf("%s: %s, want %s", states, got, want)
		}
	}
	if got := pointer(nil); got.label != "" {
		t.Errorf("no steps: %+v", got)
	}
}

type summaryCase struct {
	states   string
	change   func(*View)
	verdict  pipeline.Verdict
	err      error
	state    v1alpha1.PlanState
	ready    string // reason of Ready=True, or empty
	waitsFor string
	waiting  bool // condition Waiting
	complete bool
}

// summaries are plans, and what is said of them.
func summaries() map[string]summaryCase {
	const before = "ppppppppppppppw..."
	paused := func(v *View) { v.Plan.Annotations[v1alpha1.PauseAnnotation] = "true" }
	return map[string]summaryCase{
		"it works": {
			states: "ppppp.pr..........", verdict: pipeline.Wait("Rehearsing", "trial runs"),
			state: v1alpha1.PlanRunning, ready: v1alpha1.WorkingReason,
		},
		"it waits for approval": {
			states: before, change: func(v *View) { v.Plan.Status.Gates = Gates(*v) },
			verdict: pipeline.Await(v1alpha1.WaitingForApprovalReason, "waiting for approval"),
			state:   v1alpha1.PlanWaiting, ready: v1alpha1.WaitingForApprovalReason, waitsFor: "owners (1): approval", waiting: true,
		},
		"it waits for the window": {
			states: before, verdict: pipeline.Await(v1alpha1.WaitingForWindowReason, "the window opens Sat 19 Dec"),
			state: v1alpha1.PlanWaiting, ready: v1alpha1.WaitingForWindowReason, waitsFor: "window: Sat 19 Dec", waiting: true,
		},
		"it waits for something": {
			states: "ppw...............", verdict: pipeline.Await(v1alpha1.SiteNotReadyReason, "waiting for Deployment x"),
			state: v1alpha1.PlanWaiting, ready: v1alpha1.SiteNotReadyReason, waitsFor: "you: waiting for Deployment x", waiting: true,
		},
		"a step failed": {
			states: "pppppppf..........", verdict: pipeline.Fail("TrialFailed", "block_x breaks"),
			state: v1alpha1.PlanBlocked, waitsFor: "you: block_x breaks",
		},
		"it is paused": {
			states: "ppppp.pr..........", change: paused, verdict: pipeline.Wait("Rehearsing", "trial runs"),
			state: v1alpha1.PlanPaused, ready: v1alpha1.PausedReason,
			waitsFor: "whoever paused it: kubectl annotate upgradeplan autumn lms.gradus.dev/pause-",
		},
		"a request failed": {
			states: "ppr...............", verdict: pipeline.Verdict{}, err: errors.New("the API server is away"), state: v1alpha1.PlanRunning,
		},
		"it is aborted": {
			states: before, verdict: pipeline.Verdict{State: v1alpha1.StepPassed, Reason: v1alpha1.AbortedReason, Message: "aborted: no money"},
			state: v1alpha1.PlanAborted, ready: v1alpha1.AbortedReason, complete: true,
		},
		"it is done": {
			states: "pppppppppppppppppp", verdict: pipeline.Pass("all steps are done"),
			state: v1alpha1.PlanDone, ready: v1alpha1.CompleteReason, complete: true,
		},
		"the site goes back": {
			states: before, verdict: pipeline.Wait(rollingBackReason, "Rollback x takes the site back"),
			state: v1alpha1.PlanRollingBack, ready: rollingBackReason,
		},
		"the site went back": {
			states: before, verdict: pipeline.Verdict{State: v1alpha1.StepPassed, Reason: rolledBackReason, Message: "rolled back"},
			state: v1alpha1.PlanRolledBack, ready: rolledBackReason, complete: true,
		},
	}
}

func TestSummarise(t *testing.T) {
	for name, c := range summaries() {
		t.Run(name, func(t *testing.T) {
			v := autumn(t, standing(c.states))
			if c.change != nil {
				c.change(&v)
			}
			got := Summarise(v, c.verdict, c.err)
			conditions := &v.Plan.Status.Conditions
			status.Conclude(conditions, v.Plan.Generation, got, c.err)
			s := v.Plan.Status.Summary
			if s.State != c.state || s.WaitsFor != c.waitsFor || s.To != "3.0" {
				t.Errorf("summary %+v, want %s, waits for %q", s, c.state, c.waitsFor)
			}
			isReady := meta.FindStatusCondition(*conditions, v1alpha1.ReadyCondition)
			if isTrue(*isReady) != (c.ready != "") || c.ready != "" && isReady.Reason != c.ready {
				t.Errorf("Ready is %s, %s; want %q", isReady.Status, isReady.Reason, c.ready)
			}
			if meta.IsStatusConditionTrue(*conditions, v1alpha1.WaitingCondition) != c.waiting {
				t.Errorf("conditions %+v", *conditions)
			}
			if meta.IsStatusConditionTrue(*conditions, v1alpha1.CompleteCondition) != c.complete {
				t.Errorf("Complete is not %v: %+v", c.complete, *conditions)
			}
			if (c.waiting || c.state == v1alpha1.PlanBlocked) != (len(v.Plan.Status.WaitingFor) > 0) {
				t.Errorf("waitingFor %+v", v.Plan.Status.WaitingFor)
			}
		})
	}
}

// A condition that holds on keeps its time: a plan that waits for days is no
// news in any reconcile.
func TestAPlanThatWaitsOnIsNoNews(t *testing.T) {
	v := autumn(t, standing("ppppppppppppppw..."))
	wait := pipeline.Await(v1alpha1.WaitingForApprovalReason, "waiting for people")
	Summarise(v, wait, nil)
	for i := range v.Plan.Status.Conditions {
		v.Plan.Status.Conditions[i].LastTransitionTime = metav1.NewTime(noon)
	}
	before := v.Plan.Status.DeepCopy()
	Summarise(v, wait, nil)
	if !equality.Semantic.DeepEqual(before, &v.Plan.Status) {
		t.Errorf("conditions %v", v.Plan.Status.Conditions)
	}
}

func TestWaitingEnds(t *testing.T) {
	v := autumn(t)
	Summarise(v, pipeline.Await("NoWindow", "no window"), nil)
	Summarise(v, pipeline.Wait("GoingLive", "go-live runs"), nil)
	if meta.FindStatusCondition(v.Plan.Status.Conditions, v1alpha1.WaitingCondition) != nil || len(v.Plan.Status.WaitingFor) > 0 {
		t.Errorf("it still waits: %+v", v.Plan.Status.WaitingFor)
	}
}

// Another gate may lack approvals as well; the command is for the one that the
// step waits for.
func TestTheCommandIsForTheGateOfTheStep(t *testing.T) {
	v := autumn(t, func(v *View) {
		v.Plan.Spec.ChangeControl.Gates = []v1alpha1.GateTerms{{Name: v1alpha1.GateCopyData, Approvals: []v1alpha1.Quorum{{Group: "dpo"}}}}
		v.Plan.Status.Gates = Gates(*v)
	})
	if v.Plan.Status.Gates[0].State != v1alpha1.GateWaiting {
		t.Fatalf("gate CopyData is %s", v.Plan.Status.Gates[0].State)
	}
	Summarise(v, pipeline.Await(v1alpha1.WaitingForApprovalReason, "waiting for approval of gate GoLive"), nil)
	got := v.Plan.Status.WaitingFor[0]
	if got.Name != v1alpha1.GateGoLive || got.Who != "owners (1)" {
		t.Errorf("asks %s for gate %s", got.Who, got.Name)
	}
	for _, word := range []string{
		"kubectl create -n campus", `"gate":"GoLive"`, `"digest":"` + gateStatus(v, v1alpha1.GateGoLive).Digest + `"`,
		`"generateName":"autumn-golive-"`, `"planRef":{"name":"autumn"}`,
	} {
		if !strings.Contains(got.Command, word) {
			t.Errorf("the command lacks %s: %s", word, got.Command)
		}
	}
}

func TestTheCommandToRetry(t *testing.T) {
	v := autumn(t, standing("pppppppf.........."), func(v *View) { v.Plan.Status.Steps[7].Attempt = 3 })
	Summarise(v, pipeline.Fail("TrialFailed", "broken"), nil)
	if got := v.Plan.Status.WaitingFor[0].Command; got != "kubectl annotate upgradeplan autumn -n campus lms.gradus.dev/retry=RunTrial@3 --overwrite" {
		t.Error(got)
	}
}

func TestAWindowGivenLaterIsFollowed(t *testing.T) {
	v := autumn(t, func(v *View) { v.Plan.Status.Rollout = &v1alpha1.RolloutStatus{} })
	Summarise(v, pipeline.Await("NoWindow", "no window"), nil)
	if v.Plan.Status.Rollout.Opens == nil {
		t.Error("status.rollout has no window although the spec has one")
	}
	actual := &v1alpha1.RolloutStatus{ActualOutage: minutes(9)}
	for _, run := range []*v1alpha1.GoLive{{}, nil} { // there, and deleted since
		v.Plan.Status.Rollout, v.GoLive, v.Plan.Status.GoLive = actual, run, "autumn-golive-1"
		Summarise(v, pipeline.Wait("Watching", "support"), nil)
		if v.Plan.Status.Rollout != actual {
			t.Error("what was measured was overwritten")
		}
	}
}

func TestAbort(t *testing.T) {
	lease := func(p v1alpha1.LeasePoint, more func(*v1alpha1.GoLive)) func(*View) {
		return func(v *View) {
			v.GoLive = &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Name: "autumn-golive-1"}, Status: v1alpha1.GoLiveStatus{Lease: &v1alpha1.HeldLease{Point: p}}}
			more(v.GoLive)
		}
	}
	plain := func(*v1alpha1.GoLive) {}
	open := func(g *v1alpha1.GoLive) { g.Status.Opened = ptr.To(metav1.NewTime(noon)) }
	looked := func(g *v1alpha1.GoLive) {
		g.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse,
			Reason: v1alpha1.WaitingForApprovalReason, Message: "1 of testers must agree"}}
	}
	stalled := func(g *v1alpha1.GoLive) {
		open(g)
		g.Status.Conditions = []metav1.Condition{{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, Message: "0 of 1 pods of cron are available"}}
	}
	for name, c := range map[string]struct {
		change func(*View)
		says   string
	}{
		"nothing held": {func(*View) {}, ""}, "reversible": {lease(v1alpha1.PointReversible, plain), "autumn-golive-1 puts the site back first"},
		"committed":              {lease(v1alpha1.PointCommitted, plain), "wait for it, or create a Rollback to it"},
		"committed, people look": {lease(v1alpha1.PointCommitted, looked), "point of no return: 1 of testers must agree"},
		"committed, users in":    {lease(v1alpha1.PointCommitted, open), "go-live autumn-golive-1 let users in; wait for it"},
		"committed, and stalled": {lease(v1alpha1.PointCommitted, stalled), "autumn-golive-1 is past the point of no return, and needs a person: 0 of 1 pods"},
	} {
		got := Abort(autumn(t, c.change), "no money")
		if ends := got.Reason == v1alpha1.AbortedReason; ends != (c.says == "") || !strings.Contains(got.Message, c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHeldAndProduction(t *testing.T) {
	run := &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{
		Closed: ptr.To(metav1.NewTime(noon)), Version: "3.0",
		Lease: &v1alpha1.HeldLease{Name: "gradus-campus", Point: v1alpha1.PointCommitted},
		Changes: []v1alpha1.Change{
			{Target: v1alpha1.ChangeTarget{Kind: "Deployment", Name: "campus-web"}, Field: v1alpha1.FieldReplicas, State: v1alpha1.ChangeApplied, Undo: v1alpha1.UndoAlways},
			{State: v1alpha1.ChangeUndone}, {State: v1alpha1.ChangeApplied, Undo: v1alpha1.UndoNever},
		},
	}}
	back := &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{
		Lease:   &v1alpha1.HeldLease{Name: "gradus-campus", Point: v1alpha1.PointCommitted},
		Changes: []v1alpha1.Change{{Target: v1alpha1.ChangeTarget{Kind: "Service", Name: "campus-web"}, Field: v1alpha1.FieldSelector, State: v1alpha1.ChangeApplied}},
	}}
	if held := Held(run, back); len(held) != 2 || held[1].What != "Service campus-web: Selector" {
		t.Errorf("the way back holds %+v", held)
	}
	left := run.DeepCopy()
	left.Status.Lease, left.Status.Changes = nil, append(left.Status.Changes, back.Status.Changes...)
	if held := Held(left, nil); len(held) != 1 || held[0].OnCrash != "Hold" {
		t.Errorf("without a lease there are the extra pods, got %+v", held)
	}
	back.Status.Conditions = []metav1.Condition{{Type: v1alpha1.SucceededCondition, Status: metav1.ConditionTrue}}
	if held := Held(left, back); len(held) != 0 {
		t.Errorf("gone back, and held is %+v", held)
	}
	held := Held(run, nil)
	if len(held) != 2 || held[0].What != "gradus-campus, Committed" || held[0].OnCrash != "Hold" || held[1].What != "Deployment campus-web: Replicas" {
		t.Errorf("%+v", held)
	}
	for want, change := range map[string]func(*View){
		"open; nothing of it changed since the plan began": func(*View) {},
		"closed, Committed": func(v *View) { v.GoLive = run },
		"open, at 3.0": func(v *View) {
			v.GoLive = run.DeepCopy()
			v.GoLive.Status.Opened = ptr.To(metav1.NewTime(noon.Add(time.Hour)))
		},
		"closed, Committed, by Rollback back": func(v *View) {
			v.GoLive, v.Rollback = run.DeepCopy(), &v1alpha1.Rollback{ObjectMeta: metav1.ObjectMeta{Name: "back"},
				Status: v1alpha1.RollbackStatus{Lease: &v1alpha1.HeldLease{Point: v1alpha1.PointCommitted}}}
			v.GoLive.Status.Lease = nil
		},
		"open, at 2.0": func(v *View) {
			v.GoLive, v.Rollback = run.DeepCopy(), &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{
				Opened: ptr.To(metav1.NewTime(noon)), Version: "2.0"}}
			v.GoLive.Status.Lease = nil
		},
		"open; every change was undone": func(v *View) { v.GoLive = run.DeepCopy(); v.GoLive.Status.Lease = nil },
	} {
		if got := production(autumn(t, change)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
