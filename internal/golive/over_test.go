// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestARunIsOverOnceNothingOfItMovesAgain(t *testing.T) {
	const passed, failed, skipped = v1alpha1.StepPassed, v1alpha1.StepFailed, v1alpha1.StepSkipped
	now := metav1.Now()
	steps := func(commit, hop, giveBack, back v1alpha1.StepState) v1alpha1.GoLiveStatus {
		return v1alpha1.GoLiveStatus{Steps: []v1alpha1.StepStatus{{Name: "Commit", State: commit},
			{Name: "Hops", State: hop}, {Name: "Verify", State: v1alpha1.StepPending}, {Name: "Undo", State: skipped},
			{Name: "GiveBack", State: giveBack}, {Name: StepRollBack, State: back}}}
	}
	tests := map[string]struct {
		status v1alpha1.GoLiveStatus
		change func(*v1alpha1.GoLiveStatus)
		want   bool
	}{
		"given back":                                                 {steps(skipped, failed, passed, skipped), nil, true},
		"failed, and not given back yet":                             {steps(skipped, failed, v1alpha1.StepRunning, skipped), nil, false},
		"its own way back came to its end":                           {steps(passed, failed, skipped, passed), nil, true},
		"its own way back goes on":                                   {steps(passed, failed, skipped, v1alpha1.StepRunning), nil, false},
		"its own way back failed, and another rollback has the site": {steps(passed, failed, skipped, failed), nil, true},
		"its own way back failed, and it holds the site": {steps(passed, failed, skipped, failed),
			func(s *v1alpha1.GoLiveStatus) { s.Lease = &v1alpha1.HeldLease{} }, false},
		"a person's rollback has the site":   {steps(passed, failed, skipped, skipped), nil, true},
		"it has the site, and not all ended": {steps(passed, failed, v1alpha1.StepPending, skipped), nil, false},
		"a hop of it runs":                   {steps(passed, v1alpha1.StepRunning, skipped, skipped), nil, false},
		"it holds the site and waits for a person": {steps(passed, failed, skipped, skipped),
			func(s *v1alpha1.GoLiveStatus) { s.Lease = &v1alpha1.HeldLease{} }, false},
		"users are in": {steps(passed, failed, skipped, skipped),
			func(s *v1alpha1.GoLiveStatus) { s.Opened = &now }, false},
	}
	for name, test := range tests {
		if test.change != nil {
			test.change(&test.status)
		}
		if _, over := Over(&v1alpha1.GoLive{Status: test.status}); over != test.want {
			t.Errorf("%s: over %v", name, over)
		}
	}
}
