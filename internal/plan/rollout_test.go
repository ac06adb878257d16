// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/order"
)

func TestInstants(t *testing.T) {
	for name, c := range map[string]struct {
		zone, local string
		utc         string // RFC 3339 without the zone, or part of the error
	}{
		"winter":                      {"Europe/Berlin", "2026-12-19T20:00", "2026-12-19T19:00"},
		"summer":                      {"Europe/Berlin", "2026-07-19T20:00", "2026-07-19T18:00"},
		"an hour that does not exist": {"Europe/Berlin", "2026-03-29T02:30", "does not exist in Europe/Berlin"},
		"the minute before it":        {"Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59"},
		"the minute after it":         {"Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00"},
		"an hour that exists twice":   {"Europe/Berlin", "2026-10-25T02:30", "exists twice in Europe/Berlin"},
		"its first minute":            {"Europe/Berlin", "2026-10-25T02:00", "exists twice"},
		"its last minute":             {"Europe/Berlin", "2026-10-25T02:59", "exists twice"},
		"before the doubled hour":     {"Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59"},
		"after the doubled hour":      {"Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00"},
		"half an hour that is twice":  {"Australia/Lord_Howe", "2026-04-05T01:45", "exists twice"},
		"UTC never jumps":             {"UTC", "2026-03-29T02:30", "2026-03-29T02:30"},
		"no time":                     {"UTC", "tonight", "is not a time"},
		"a date alone":                {"UTC", "2026-12-19", "is not a time"},
		"the 30th of February":        {"UTC", "2026-02-30T10:00", "is not a time"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := order.Instant(c.local, zone)
		if err != nil {
			if !strings.Contains(err.Error(), c.utc) {
				t.Errorf("%s: %v, want %s", name, err, c.utc)
			}
			continue
		}
		if s := got.UTC().Format("2006-01-02T15:04"); s != c.utc {
			t.Errorf("%s: %s in UTC, want %s", name, s, c.utc)
		}
	}
}

func TestFreezes(t *testing.T) {
	for name, c := range map[string]struct {
		opens, closes string
		frozen        bool
	}{
		"before":          {"2027-01-24T08:00", "2027-01-24T23:59", false},
		"into it":         {"2027-01-24T20:00", "2027-01-25T06:00", true},
		"within":          {"2027-02-01T20:00", "2027-02-02T06:00", true},
		"on its last day": {"2027-02-12T20:00", "2027-02-13T06:00", true},
		"after":           {"2027-02-13T00:00", "2027-02-13T06:00", false},
		"all around it":   {"2027-01-01T00:00", "2027-03-01T00:00", true},
	} {
		v := autumn(t, func(v *View) { v.Plan.Spec.Rollout.Window = &v1alpha1.Window{Opens: c.opens, Closes: c.closes} })
		_, err := rollout(v)
		if frozen := err != nil && strings.Contains(err.Error(), `"exams"`); frozen != c.frozen {
			t.Errorf("%s: %v, want frozen %v", name, err, c.frozen)
		}
	}
}

func TestPrediction(t *testing.T) {
	for name, c := range map[string]struct {
		margin       *int32
		outage, back time.Duration
	}{
		// Hops 20 and 60, verify 10, fix point 10 minutes; the way back 40. Nobody rehearses turning.
		"half as much again is the default": {nil, 150*time.Minute + turning, 60*time.Minute + turning},
		"no margin":                         {ptr.To(int32(0)), 100*time.Minute + turning, 40*time.Minute + turning},
		"as much again":                     {ptr.To(int32(100)), 200*time.Minute + turning, 80*time.Minute + turning},
	} {
		r, err := rollout(autumn(t, func(v *View) { v.Plan.Spec.Rollout.MarginPercent = c.margin }))
		if err != nil {
			t.Fatal(err)
		}
		if r.PredictedOutage.Duration != c.outage || r.PredictedBack.Duration != c.back {
			t.Errorf("%s: outage %s, back %s; want %s, %s", name, r.PredictedOutage.Duration, r.PredictedBack.Duration, c.outage, c.back)
		}
		if got := r.Closes.Sub(r.LatestStart.Time); got != c.outage+c.back {
			t.Errorf("%s: the latest start is %s before the end, want room for both", name, got)
		}
		if got := r.Closes.Sub(r.LastMomentBack.Time); got != c.back {
			t.Errorf("%s: the last moment to turn is %s before the end, want %s", name, got, c.back)
		}
		if r.Samples != 1 || r.Confidence != "Low" || len(r.Parts) != 7 {
			t.Errorf("%s: %d samples, %s, %d parts", name, r.Samples, r.Confidence, len(r.Parts))
		}
	}
	unverified, err := rollout(autumn(t, func(v *View) { v.Backup.Status.Conditions[1].Status = metav1.ConditionFalse }))
	if err != nil || unverified.PredictedOutage.Duration != 135*time.Minute+turning {
		t.Errorf("a backup that is not verified predicts a fix point: %v %v", unverified.PredictedOutage, err)
	}
}

func TestMakeRolloutPlan(t *testing.T) {
	window := func(opens, closes string) func(*View) {
		return func(v *View) { v.Plan.Spec.Rollout.Window = &v1alpha1.Window{Opens: opens, Closes: closes} }
	}
	for name, c := range map[string]struct {
		change func(*View)
		state  v1alpha1.StepState
		reason string
	}{
		"it fits":               {func(*View) {}, v1alpha1.StepPassed, "Passed"},
		"no window":             {func(v *View) { v.Plan.Spec.Rollout.Window = nil }, v1alpha1.StepPassed, "Passed"},
		"it just fits":          {window("2026-12-19T20:00", "2026-12-19T23:31"), v1alpha1.StepPassed, "Passed"},
		"a minute too short":    {window("2026-12-19T20:00", "2026-12-19T23:30"), v1alpha1.StepFailed, "WindowTooShort"},
		"in a freeze":           {window("2027-02-01T20:00", "2027-02-02T12:00"), v1alpha1.StepFailed, "WindowRefused"},
		"at no time":            {window("2027-03-28T02:30", "2027-03-28T12:00"), v1alpha1.StepFailed, "WindowRefused"},
		"the trial was deleted": {func(v *View) { v.Trial = nil }, v1alpha1.StepFailed, "TrialGone"},
	} {
		b := only(t, autumn(t, c.change), v1alpha1.StepMakeRolloutPlan)
		if e := b.run(); e.State != c.state || e.Reason != c.reason {
			t.Errorf("%s: %s %s: %s", name, e.State, e.Reason, e.Message)
		}
	}
}

func TestNotYet(t *testing.T) {
	at := func(local string) func(*View) {
		return func(v *View) {
			now, err := order.Instant(local, v.Location)
			if err != nil {
				panic(err)
			}
			v.Now = now
			v.Backup.Status.Taken = ptr.To(metav1.NewTime(now.Add(-time.Hour)))
			v.Trial.CreationTimestamp = metav1.NewTime(now.AddDate(0, 0, -1))
		}
	}
	aged := func(backup, trial time.Duration) func(*View) {
		return func(v *View) {
			v.Backup.Status.Taken = ptr.To(metav1.NewTime(v.Now.Add(-backup)))
			v.Trial.CreationTimestamp = metav1.NewTime(v.Now.Add(-trial))
		}
	}
	for name, c := range map[string]struct {
		change  []func(*View)
		approve bool
		reason  string // empty: go-live begins
		says    string
	}{
		"in the window, approved":         {[]func(*View){at("2026-12-19T20:01")}, true, "", ""},
		"not approved":                    {[]func(*View){at("2026-12-19T20:01")}, false, v1alpha1.WaitingForApprovalReason, "owners (1)"},
		"before the window":               {[]func(*View){at("2026-12-19T19:59")}, true, v1alpha1.WaitingForWindowReason, "Sat 19 Dec 2026 20:00 CET"},
		"at the latest start":             {[]func(*View){at("2026-12-20T08:29")}, true, "", ""},
		"a minute after it":               {[]func(*View){at("2026-12-20T08:30")}, true, "WindowPassed", "spec.rollout.window"},
		"no window":                       {[]func(*View){at("2026-12-19T20:01"), func(v *View) { v.Plan.Spec.Rollout.Window = nil }}, true, "NoWindow", "spec.rollout.window"},
		"a window that moved to a freeze": {[]func(*View){at("2026-12-19T20:01"), func(v *View) { v.Plan.Spec.Rollout.Window.Closes = "2027-01-26T12:00" }}, true, "WindowRefused", "exams"},
		"a backup of yesterday":           {[]func(*View){at("2026-12-19T20:01"), aged(24*time.Hour+time.Minute, time.Hour)}, true, "Stale", "BackUp@1"},
		"a backup within the plan's own terms": {[]func(*View){at("2026-12-19T20:01"), aged(30*time.Hour, time.Hour),
			func(v *View) { v.Plan.Spec.Backup.MaxAge = minutes(31 * 60) }}, true, "", ""},
		"no backup":             {[]func(*View){at("2026-12-19T20:01"), func(v *View) { v.Backup = nil }}, true, "Stale", "not there"},
		"a trial of last month": {[]func(*View){at("2026-12-19T20:01"), aged(time.Hour, 22*24*time.Hour)}, true, "Stale", "RunTrial@1"},
		"a trial within the plan's own terms": {[]func(*View){at("2026-12-19T20:01"), aged(time.Hour, 22*24*time.Hour),
			func(v *View) { v.Plan.Spec.Trial.MaxAgeDays = 30 }}, true, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := autumn(t, c.change...)
			if c.approve {
				approve(&v, v1alpha1.GateGoLive, "bob", "owners")
			}
			got := notYet(v)
			if got == nil != (c.reason == "") {
				t.Fatalf("got %+v, want %q", got, c.reason)
			}
			if got != nil && (got.Reason != c.reason || !strings.Contains(got.Message, c.says) || got.State != v1alpha1.StepWaiting) {
				t.Errorf("%s %s: %s", got.State, got.Reason, got.Message)
			}
		})
	}
}

func TestAGateWhoseSubjectIsNotComplete(t *testing.T) {
	v := ready(t)
	v.Plan.Status.Steps[9].State = v1alpha1.StepFailed // Test
	approve(&v, v1alpha1.GateGoLive, "eve", "owners")
	if got := gateStatus(v, v1alpha1.GateGoLive); got.State != v1alpha1.GateClosed || got.Before != v1alpha1.StepGoLive {
		t.Errorf("gate is %s although tests failed", got.State)
	}
	if got := notYet(v); got == nil || got.Reason != "GateClosed" {
		t.Errorf("got %+v", got)
	}
}

func TestTheOrder(t *testing.T) {
	b := only(t, ready(t), v1alpha1.StepGoLive)
	b.run()
	run, ok := b.made[0].(*v1alpha1.GoLive)
	if !ok {
		t.Fatalf("made %T", b.made[0])
	}
	s := run.Spec
	if s.Digest != gateStatus(b.view, v1alpha1.GateGoLive).Digest || s.BackupRef.Name != "autumn-backup-1" || len(s.Upgrade.Hops) != 2 ||
		s.OnFailure != v1alpha1.OnFailureRollBack || s.Look != "Skip" || s.MaxBackupAge.Duration != 24*time.Hour || s.Closes == nil {
		t.Errorf("%+v", s)
	}
	if metav1.IsControlledBy(run, b.view.Plan) || run.Labels[v1alpha1.PlanUIDLabel] != string(b.view.Plan.UID) {
		t.Error("a go-live must outlive its plan, and name it")
	}
	looked := only(t, autumn(t, func(v *View) {
		*v = ready(t)
		v.Approvals = nil
		v.Plan.Spec.ChangeControl.Gates = []v1alpha1.GateTerms{{Name: v1alpha1.GateOpen, Approvals: []v1alpha1.Quorum{{Group: "testers"}}}}
		v.Plan.Spec.GoLive.OnFailure = v1alpha1.OnFailureHold
		approve(v, v1alpha1.GateGoLive, "bob", "owners")
	}), v1alpha1.StepGoLive)
	looked.run()
	if got := looked.made[0].(*v1alpha1.GoLive).Spec; got.Look != "Approve" || got.OnFailure != v1alpha1.OnFailureHold {
		t.Errorf("look %s, on failure %s", got.Look, got.OnFailure)
	}
}

// What GoLive says is what the step says.
func TestGoLiveIsFollowed(t *testing.T) {
	condition := func(kind string, s metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: s, Reason: reason, Message: message}
	}
	for name, c := range map[string]struct {
		status v1alpha1.GoLiveStatus
		state  v1alpha1.StepState
		says   string
	}{
		"it runs": {v1alpha1.GoLiveStatus{Conditions: []metav1.Condition{condition("Ready", "False", "Upgrading", "the hop to 1.5 runs")}},
			v1alpha1.StepRunning, "the hop to 1.5 runs"},
		"it waits for people": {v1alpha1.GoLiveStatus{Steps: []v1alpha1.StepStatus{{Name: "Look", State: v1alpha1.StepWaiting, Reason: "WaitingForApproval", Message: "testers"}}},
			v1alpha1.StepWaiting, "testers"},
		"it is stuck": {v1alpha1.GoLiveStatus{Conditions: []metav1.Condition{condition("Stalled", "True", "LeaseLost", "somebody took it")}},
			v1alpha1.StepFailed, "somebody took it"},
		"somebody is in its way": {v1alpha1.GoLiveStatus{Conditions: []metav1.Condition{condition("Stalled", "True", "ConflictingWriter", "argocd writes replicas")}},
			v1alpha1.StepWaiting, "argocd writes replicas"},
		"it went back": {v1alpha1.GoLiveStatus{Conditions: []metav1.Condition{condition("Ready", "True", "Over", ""), condition("Succeeded", "False", "HopFailed", "put back")}},
			v1alpha1.StepFailed, "put back"},
		"it is done": {v1alpha1.GoLiveStatus{
			Closed: ptr.To(metav1.NewTime(noon)), Opened: ptr.To(metav1.NewTime(noon.Add(90 * time.Minute))), Version: "3.0",
			Conditions: []metav1.Condition{condition("Succeeded", "True", "Open", "")},
		}, v1alpha1.StepPassed, "serves 3.0; users were shut out for 1h30m0s"},
	} {
		b := only(t, ready(t), v1alpha1.StepGoLive)
		b.run()
		run := b.made[0].(*v1alpha1.GoLive)
		if err := b.engine.Client.Get(t.Context(), client.ObjectKeyFromObject(run), run); err != nil {
			t.Fatal(err)
		}
		run.Status = c.status
		if err := b.engine.Client.Update(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		b.view.GoLive, b.view.Approvals = run, nil // approvals that expire do not stop what was ordered
		if e := b.run(); e.State != c.state || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %s %s", name, e.State, e.Message)
		}
	}
}
