// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"regexp"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

func TestStepsAreWellFormed(t *testing.T) {
	seen, finally := map[string]bool{}, false
	for _, step := range Steps {
		if !regexp.MustCompile(`^[A-Z][A-Za-z]{1,39}$`).MatchString(step.Name) || seen[step.Name] {
			t.Errorf("name %q", step.Name)
		}
		seen[step.Name] = true
		if step.Judge == nil {
			t.Errorf("%s has no Judge", step.Name)
		}
		if finally && !step.Finally {
			t.Errorf("%s comes after the steps that run whatever happened", step.Name)
		}
		finally = step.Finally
		if step.Attempts > 1 {
			t.Errorf("%s is tried again by itself: nothing that touches production is", step.Name)
		}
		for _, need := range step.Needs {
			if !seen[need] {
				t.Errorf("%s needs %s, which does not come before it", step.Name, need)
			}
		}
	}
}

// Nothing that cannot be undone comes before Commit, and nothing that lets
// users in before it was proven.
func TestTheOrderOfSteps(t *testing.T) {
	place := map[string]int{}
	for i, step := range Steps {
		place[step.Name] = i
	}
	order := []string{"Check", "TakeLease", "StartWatchdog", "HoldingPage", "CloseDoors", "Quiesce", "AwaitSilence", "Lock",
		"FixPoint", "ConfirmSilence", "Commit", "Hops", "Verify", "Release", "StartWeb", "ScaleUp", "Smoke", "Look", "OpenDoors", "Resume", "ScaleWorkers",
		"Unlock", "HandOver", "ReleaseLease", "Undo", "GiveBack", "AskDatabase", "RollBack"}
	for i, name := range order {
		if place[name] != i {
			t.Errorf("%s is at %d, want %d", name, place[name], i)
		}
	}
}

func view(change func(*View)) View {
	now := time.Date(2026, 12, 19, 20, 0, 0, 0, time.UTC)
	taken := metav1.NewTime(now.Add(-time.Hour))
	backup := &v1alpha1.SiteBackup{Status: v1alpha1.SiteBackupStatus{Taken: &taken}}
	meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{Type: v1alpha1.VerifiedCondition, Status: metav1.ConditionTrue, Reason: "Done"})
	plan := &v1alpha1.UpgradePlan{}
	plan.Status.Hops = []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "1.5"}}, {Hop: v1alpha1.Hop{From: "1.5", To: "3.0"}}}
	plan.Spec.Rollout.Window = &v1alpha1.Window{Opens: "2026-12-19T19:30", Closes: "2026-12-19T22:00"}
	g := &v1alpha1.GoLive{Spec: order.Of(plan)}
	g.Spec.Digest, g.Spec.Closes = "sha256:a", &metav1.Time{Time: now.Add(2 * time.Hour)}
	site := &v1alpha1.Site{Spec: v1alpha1.SiteSpec{TimeZone: "UTC"}}
	v := View{Scene: &closing.Scene{Owner: g, Now: now, Door: &corev1.Service{}, Site: site}, GoLive: g, Backup: backup,
		Plan: plan, Digest: "sha256:a", Gate: v1alpha1.GateStatus{State: v1alpha1.GateOpened}}
	if change != nil {
		change(&v)
	}
	return v
}

func maxAge(v *View, age time.Duration) {
	v.Plan.Spec.Backup.MaxAge = &metav1.Duration{Duration: age}
	v.GoLive.Spec.MaxBackupAge = v.Plan.Spec.Backup.MaxAge
}

func TestObjections(t *testing.T) {
	tests := map[string]struct {
		change func(*View)
		want   string
	}{
		"nothing stands against it":     {nil, ""},
		"the plan is gone":              {func(v *View) { v.Plan = nil }, "PlanNotFound"},
		"something else would be done":  {func(v *View) { v.Digest = "sha256:b" }, "SubjectChanged"},
		"no trial has seen this":        {func(v *View) { v.Unrehearsed = "spec.target.releases" }, "NotRehearsed"},
		"the gate waits":                {func(v *View) { v.Gate.State = v1alpha1.GateWaiting }, "NotApproved"},
		"somebody rejected":             {func(v *View) { v.Gate.State = v1alpha1.GateRejected }, "NotApproved"},
		"no backup":                     {func(v *View) { v.Backup = nil }, "BackupNotVerified"},
		"a backup that nobody verified": {func(v *View) { v.Backup.Status.Conditions = nil }, "BackupNotVerified"},
		"an old backup":                 {func(v *View) { maxAge(v, time.Minute) }, "BackupTooOld"},
		"an old backup, with a fix point": {func(v *View) {
			maxAge(v, time.Minute)
			v.FixPoint = v.Backup
		}, ""},
		"a CronJob that woke, and would run as it is": {func(v *View) {
			v.CronJobs = []batchv1.CronJob{{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}}}
		}, "SiteUnfit"},
		"a CronJob that this run put to sleep": {func(v *View) {
			v.CronJobs = []batchv1.CronJob{{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: batchv1.CronJobSpec{Suspend: ptr.To(true)}}}
			v.GoLive.Status.Changes = []v1alpha1.Change{{ID: "suspend-nightly"}}
		}, "SiteUnfit"},
		"a CronJob that sleeps, and goes on sleeping": {func(v *View) {
			v.CronJobs = []batchv1.CronJob{{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}, Spec: batchv1.CronJobSpec{Suspend: ptr.To(true)}}}
		}, ""},
		"an order that is not the plan's": {func(v *View) { v.GoLive.Spec.Upgrade.Releases = []v1alpha1.Release{{Version: "3.0", Image: "evil"}} }, "NotTheOrder"},
		"the backup of another site":      {func(v *View) { v.Backup.Spec.SiteRef.Name = "other" }, "BackupOfAnother"},
		"an order for longer":             {func(v *View) { v.GoLive.Spec.Closes = &metav1.Time{Time: v.Now.Add(9 * time.Hour)} }, "NotTheOrder"},
		"an order without an end":         {func(v *View) { v.GoLive.Spec.Closes = nil }, "NotTheOrder"},
		"no window":                       {func(v *View) { v.Plan.Spec.Rollout.Window = nil }, "NoWindow"},
		"the window is not open yet":      {func(v *View) { v.Now = v.Now.Add(-time.Hour) }, "WindowNotOpen"},
		"the window lies in a freeze": {func(v *View) {
			v.Site.Spec.Calendar.Freezes = []v1alpha1.Freeze{{Name: "exams", From: "2026-12-01", To: "2026-12-20"}}
		}, "WindowRefused"},
		"the window closed":                {func(v *View) { v.Now = v.Now.Add(3 * time.Hour) }, "WindowClosed"},
		"most telling first: no plan, etc": {func(v *View) { v.Plan, v.Digest = nil, "" }, "PlanNotFound"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if no := view(test.change).Objection(); no != nil {
				got = no.Reason
			}
			if got != test.want {
				t.Errorf("objection is %q, want %q", got, test.want)
			}
		})
	}
}

func TestHopsComeOneAfterTheOther(t *testing.T) {
	tests := map[string]struct {
		first v1alpha1.StepState
		want  v1alpha1.StepState
	}{
		"the first runs":   {v1alpha1.StepRunning, v1alpha1.StepRunning},
		"the first failed": {v1alpha1.StepFailed, v1alpha1.StepFailed},
		"the first waits":  {v1alpha1.StepPending, v1alpha1.StepRunning},
		"passed, not held": {v1alpha1.StepPassed, v1alpha1.StepFailed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := view(nil)
			v.GoLive.Status.Steps = []v1alpha1.StepStatus{{Name: "Hops", Key: "1.5", State: test.first}, {Name: "Hops", Key: "3.0"}}
			at := pipeline.At{Key: "3.0", Attempt: 1}
			if objects := hops.Create(v, at); len(objects) != 0 {
				t.Errorf("a Job was asked for: %v", objects)
			}
			if got := hops.Judge(v, at, pipeline.Seen{}).State; got != test.want {
				t.Errorf("judged %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhoGivesWay(t *testing.T) {
	steps := func(commit, hop, ask v1alpha1.StepState) []v1alpha1.StepStatus {
		return []v1alpha1.StepStatus{{Name: "Commit", State: commit}, {Name: "Hops", State: hop},
			{Name: "Undo", State: v1alpha1.StepSkipped}, {Name: "AskDatabase", State: ask}}
	}
	const passed, failed, running, pending = v1alpha1.StepPassed, v1alpha1.StepFailed, v1alpha1.StepRunning, v1alpha1.StepPending
	now := metav1.Now()
	stalled := []metav1.Condition{{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue}}
	deleted := metav1.ObjectMeta{DeletionTimestamp: &now}
	tests := map[string]struct {
		steps  []v1alpha1.StepStatus
		change func(*v1alpha1.GoLive)
		want   bool
	}{
		"failed past the point of no return": {steps(passed, failed, pending), nil, true},
		"failed before it":                   {steps(failed, pending, pending), nil, false},
		"a hop runs":                         {steps(passed, running, pending), nil, false},
		"one runs again, and an end failed":  {steps(passed, running, failed), nil, false},
		"a hop runs, and it was deleted":     {steps(passed, running, pending), func(g *v1alpha1.GoLive) { g.ObjectMeta = deleted }, true},
		"deleted before it":                  {steps(pending, pending, pending), func(g *v1alpha1.GoLive) { g.ObjectMeta = deleted }, false},
		"it waits for a person":              {steps(passed, v1alpha1.StepWaiting, pending), nil, true},
		"a rival halts it":                   {steps(passed, pending, pending), func(g *v1alpha1.GoLive) { g.Status.Conditions = stalled }, true},
		"a rival before it":                  {steps(pending, pending, pending), func(g *v1alpha1.GoLive) { g.Status.Conditions = stalled }, false},
		"nothing failed":                     {steps(passed, passed, pending), nil, false},
		"users are in":                       {steps(passed, failed, pending), func(g *v1alpha1.GoLive) { g.Status.Opened = &now }, false},
	}
	for name, test := range tests {
		g := &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Steps: test.steps}}
		if test.change != nil {
			test.change(g)
		}
		if got := GivesWay(g); got != test.want {
			t.Errorf("%s: gives way %v", name, got)
		}
	}
}

func TestTheOutageIsToldByParts(t *testing.T) {
	start := time.Date(2026, 12, 19, 20, 0, 0, 0, time.UTC)
	at := func(minutes int) *metav1.Time {
		return &metav1.Time{Time: start.Add(time.Duration(minutes) * time.Minute)}
	}
	got := parts([]v1alpha1.StepStatus{
		{Name: "Check", State: v1alpha1.StepPassed, Started: at(-5), Finished: at(-1)},
		{Name: "CloseDoors", State: v1alpha1.StepPassed, Started: at(0), Finished: at(1)},
		{Name: "Hops", Key: "2.0", State: v1alpha1.StepPassed, Started: at(1), Finished: at(21)},
		{Name: "Look", State: v1alpha1.StepSkipped, Started: at(21), Finished: at(21)},
		{Name: "OpenDoors", State: v1alpha1.StepRunning, Started: at(30)},
		{Name: "Resume", State: v1alpha1.StepPending},
	}, start.Add(31*time.Minute))
	want := map[string]time.Duration{"CloseDoors": time.Minute, "Hops 2.0": 20 * time.Minute, "OpenDoors": time.Minute}
	if len(got) != len(want) {
		t.Fatalf("parts %v", got)
	}
	for _, p := range got {
		if p.Actual.Duration != want[p.Name] {
			t.Errorf("%s took %s", p.Name, p.Actual.Duration)
		}
	}
}

// A backup that was tested and is not proven is no fix point, though its copy still stands.
func TestFixPointKnownEarly(t *testing.T) {
	judge := func(conditions ...metav1.Condition) pipeline.Verdict {
		b := &v1alpha1.SiteBackup{Status: v1alpha1.SiteBackupStatus{Conditions: conditions}}
		g := &v1alpha1.GoLive{}
		v := View{Scene: &closing.Scene{Owner: g, Grip: production.Grip{Held: true}}, GoLive: g}
		return fixPoint.Judge(v, pipeline.At{}, pipeline.Seen{Objects: []client.Object{b}})
	}
	of := func(kind string, s metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: kind, Status: s, Message: "told"}
	}
	for want, got := range map[string]pipeline.Verdict{
		"BackingUp":           judge(of(v1alpha1.ReadyCondition, metav1.ConditionFalse)),
		"FixPointNotVerified": judge(of(v1alpha1.VerifiedCondition, metav1.ConditionFalse)),
		"FixPointFailed": judge(of(v1alpha1.VerifiedCondition, metav1.ConditionFalse),
			of(v1alpha1.StalledCondition, metav1.ConditionTrue)),
	} {
		if got.Reason != want {
			t.Errorf("%s instead of %s: %s", got.Reason, want, got.Message)
		}
	}
}
