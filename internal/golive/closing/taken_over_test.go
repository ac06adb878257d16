// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"testing"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// A run that gives way to its own Rollback has lost nothing yet: its plan follows it on.
func TestGiveWay(t *testing.T) {
	ledger := func(verify v1alpha1.StepState) []v1alpha1.StepStatus {
		return []v1alpha1.StepStatus{
			{Name: "Hops", State: v1alpha1.StepPassed}, {Name: "Verify", State: verify, Reason: "Told"},
			{Name: "Smoke", State: v1alpha1.StepPending}, {Name: stepUndo, State: v1alpha1.StepPending},
		}
	}
	for state, want := range map[v1alpha1.StepState]string{
		v1alpha1.StepRunning: "GaveWay", v1alpha1.StepWaiting: "GaveWay", v1alpha1.StepPending: "GaveWay",
		v1alpha1.StepFailed: "Told",
	} {
		got := ledger(state)
		GiveWay(got, time.Unix(1_800_000_000, 0))
		if got[1].State != v1alpha1.StepFailed || got[1].Reason != want || got[0].State != v1alpha1.StepPassed ||
			got[2].State != v1alpha1.StepPending || got[3].State != v1alpha1.StepPending {
			t.Errorf("%s: %+v", state, got)
		}
	}
}
