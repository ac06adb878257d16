// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func TestEventsAreADiff(t *testing.T) {
	step := func(name, key string, state v1alpha1.StepState, attempt int32) v1alpha1.StepStatus {
		return v1alpha1.StepStatus{Name: name, Key: key, State: state, Attempt: attempt, Message: name + " " + string(state)}
	}
	d := open(t, autumn())
	before, after := autumn(), autumn()
	before.Status.Steps = []v1alpha1.StepStatus{
		step("Old", "", v1alpha1.StepPassed, 1), step("Copy", "files", v1alpha1.StepRunning, 1), step("Copy", "lang", v1alpha1.StepRunning, 1),
		step("Hop", "", v1alpha1.StepFailed, 1), step("Look", "", v1alpha1.StepPending, 0), step("Gate", "", v1alpha1.StepPending, 0),
	}
	after.Status.Steps = []v1alpha1.StepStatus{
		step("Old", "", v1alpha1.StepPassed, 1), step("Copy", "files", v1alpha1.StepPassed, 1), step("Copy", "lang", v1alpha1.StepFailed, 1),
		step("Hop", "", v1alpha1.StepFailed, 2), step("Look", "", v1alpha1.StepRunning, 1), step("Gate", "", v1alpha1.StepWaiting, 1),
	}
	Conclude(&after.Status.Conditions, 3, pipeline.Fail("CopyFailed", "no room"), nil)
	d.settler.Events.Diff(before, after)
	want := []string{
		"Normal CopyPassed Copy Passed", "Warning CopyFailed Copy Failed", "Warning HopFailed Hop Failed",
		"Normal GateWaiting Gate Waiting", "Warning CopyFailed no room",
	}
	if got := d.told(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	d.settler.Events.Diff(after, after)
	if got := d.told(); len(got) > 0 {
		t.Errorf("nothing changed and it told %v", got)
	}
	Events{}.Diff(before, after) // the zero value tells nothing
}
