// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"strings"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// What the database says of a hop that died decides, not who asks again.
func TestWhatTheDatabaseSaysOfADeadHop(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	says := func(lock string, proven ...string) task.Result {
		r := task.Result{OK: true, Facts: map[string]string{"lock.until": lock}}
		for _, name := range proven {
			r.Actions = append(r.Actions, task.ActionResult{Name: name, OK: true})
		}
		return r
	}
	tests := map[string]struct {
		resumes bool
		result  task.Result
		state   v1alpha1.StepState
		reason  string
		until   time.Time
	}{
		"it is there":                            {true, says("", "version", "pending"), v1alpha1.StepPassed, "Passed", time.Time{}},
		"it is there, and would not resume":      {false, says("", "version", "pending"), v1alpha1.StepPassed, "Passed", time.Time{}},
		"the version alone proves nothing":       {true, says("", "version"), v1alpha1.StepRunning, reasonResuming, now.Add(time.Second)},
		"it is there, and still locked":          {true, says("1800000060", "version", "pending"), v1alpha1.StepRunning, "AwaitingLock", now.Add(time.Minute)},
		"it stopped, and goes on":                {true, says(""), v1alpha1.StepRunning, reasonResuming, now.Add(time.Second)},
		"it stopped, and its lock has run out":   {true, says("1799999999"), v1alpha1.StepRunning, reasonResuming, now.Add(time.Second)},
		"it stopped, with a lock without an end": {true, says("yes"), v1alpha1.StepFailed, "UpgradeLocked", time.Time{}},
		"it stopped, with a lock of days":        {true, says("1800086400"), v1alpha1.StepFailed, "UpgradeLocked", time.Time{}},
		"it stopped, and does not resume":        {false, says(""), v1alpha1.StepFailed, "HopDoesNotResume", time.Time{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := View{Scene: &closing.Scene{Profile: &profile.Profile{Title: "LMS", Resume: profile.Resume{Resumes: test.resumes}}}}
			got := v.answered("2.0", test.result, now)
			if got.State != test.state || got.Reason != test.reason || !got.Until.Equal(test.until) {
				t.Errorf("%s %s until %s: %s", got.State, got.Reason, got.Until, got.Message)
			}
			if got.State == v1alpha1.StepFailed && !strings.Contains(got.Message, "create a Rollback to this GoLive") {
				t.Errorf("no way out is named: %s", got.Message)
			}
		})
	}
}

// A hop that waited for another, which failed, was never begun.
func TestOnlyAHopThatWasBegunIsAskedAbout(t *testing.T) {
	tests := map[string]struct {
		first, second int32 // attempts
		firstState    v1alpha1.StepState
		want          [2]bool
	}{
		"at first":                        {1, 1, v1alpha1.StepPassed, [2]bool{false, false}},
		"the first is retried":            {2, 2, v1alpha1.StepFailed, [2]bool{true, false}},
		"the second after that":           {2, 2, v1alpha1.StepPassed, [2]bool{true, false}},
		"the second failed by itself":     {1, 2, v1alpha1.StepPassed, [2]bool{false, true}},
		"the second failed after a retry": {2, 3, v1alpha1.StepPassed, [2]bool{true, true}},
	}
	for name, test := range tests {
		g := &v1alpha1.GoLive{}
		g.Spec.Upgrade.Hops = []v1alpha1.Hop{{From: "1.0", To: "2.0"}, {From: "2.0", To: "3.0"}}
		g.Status.Steps = []v1alpha1.StepStatus{
			{Name: StepHops, Key: "2.0", Attempt: test.first, State: test.firstState},
			{Name: StepHops, Key: "3.0", Attempt: test.second},
		}
		v := View{GoLive: g}
		got := [2]bool{v.ranBefore(pipeline.At{Key: "2.0", Attempt: test.first}), v.ranBefore(pipeline.At{Key: "3.0", Attempt: test.second})}
		if got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
