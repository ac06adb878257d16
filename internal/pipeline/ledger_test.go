// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// What is in a child's way, or in the way of a child of its own, is told; what failed is over.
func TestWhatIsInTheWayOfAChild(t *testing.T) {
	stalls := func(reason string) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue, Reason: reason, Message: "stalls"}}
	}
	step := func(state v1alpha1.StepState, reason string) []v1alpha1.StepStatus {
		return []v1alpha1.StepStatus{{Name: "Rehearse", State: state, Reason: reason, Message: "step"}}
	}
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		steps      []v1alpha1.StepStatus
		want       string
	}{
		"itself":         {stalls(v1alpha1.NameConflictReason), step(v1alpha1.StepRunning, "Working"), "stalls"},
		"its child":      {nil, step(v1alpha1.StepWaiting, v1alpha1.NameConflictReason), "step"},
		"its removal":    {nil, step(v1alpha1.StepWaiting, v1alpha1.TimedOutReason), "step"},
		"people":         {nil, step(v1alpha1.StepWaiting, "BackupNotVerified"), ""},
		"another stall":  {stalls("TimedOut"), nil, ""},
		"a step failed":  {stalls(v1alpha1.NameConflictReason), step(v1alpha1.StepFailed, v1alpha1.NameConflictReason), ""},
		"nothing at all": {nil, nil, ""},
	} {
		child := &v1alpha1.TrialUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "autumn"}, Status: v1alpha1.TrialUpgradeStatus{Conditions: c.conditions, Steps: c.steps}}
		got := InTheWay("trial", child)
		if c.want == "" && got != nil || c.want != "" && (got == nil || got.State != v1alpha1.StepWaiting ||
			got.Reason == "" || got.Message != "trial autumn: "+c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
