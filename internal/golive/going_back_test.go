// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
)

// A run gives way to the Rollback that it made, unless users are being let in.
func TestARunGivesWayToItsRollback(t *testing.T) {
	now := metav1.Now()
	child := []v1alpha1.ChildRef{{Kind: "Rollback", Name: "back"}}
	for name, c := range map[string]struct {
		back, doors v1alpha1.StepStatus
		unkept      bool
		opened      *metav1.Time
		want        bool
	}{
		"none is made":             {back: v1alpha1.StepStatus{State: v1alpha1.StepRunning}},
		"it is made":               {back: v1alpha1.StepStatus{State: v1alpha1.StepRunning, Children: child}, want: true},
		"it waits for a person":    {back: v1alpha1.StepStatus{State: v1alpha1.StepWaiting, Children: child}, want: true},
		"made, and not kept":       {back: v1alpha1.StepStatus{State: v1alpha1.StepRunning}, unkept: true, want: true},
		"it failed, or is deleted": {back: v1alpha1.StepStatus{State: v1alpha1.StepFailed, Children: child}},
		"the doors did not open": {back: v1alpha1.StepStatus{State: v1alpha1.StepRunning, Children: child},
			doors: v1alpha1.StepStatus{State: v1alpha1.StepFailed, Started: &now}, want: true},
		"the doors open": {back: v1alpha1.StepStatus{State: v1alpha1.StepRunning, Children: child},
			doors: v1alpha1.StepStatus{State: v1alpha1.StepRunning, Started: &now}},
		"users are in": {back: v1alpha1.StepStatus{State: v1alpha1.StepRunning, Children: child}, opened: &now},
	} {
		c.back.Name, c.doors.Name = StepRollBack, closing.StepOpenDoors
		v := View{GoLive: &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{
			Opened: c.opened, Steps: []v1alpha1.StepStatus{c.doors, c.back},
		}}}
		if c.unkept {
			v.Rollback = &v1alpha1.Rollback{}
		}
		if got := v.GaveWay(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
