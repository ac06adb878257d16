// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// Ledger returns the record of a pipeline that has not started. It fixes the
// order: a newer operator that knows more steps does not change a pipeline
// already under way.
func Ledger[V any](steps []Step[V]) []v1alpha1.StepStatus {
	ledger := make([]v1alpha1.StepStatus, len(steps))
	for i, step := range steps {
		ledger[i] = v1alpha1.StepStatus{Name: step.Name, State: v1alpha1.StepPending}
	}
	return ledger
}

// again makes an entry ready for its next attempt, with children of its own.
func again(entry *v1alpha1.StepStatus) {
	*entry = v1alpha1.StepStatus{
		Name: entry.Name, Key: entry.Key, State: v1alpha1.StepPending, Attempt: entry.Attempt + 1,
	}
}

// Over says whether every entry of a ledger is settled.
func Over(ledger []v1alpha1.StepStatus) bool {
	return !slices.ContainsFunc(ledger, func(s v1alpha1.StepStatus) bool { return !settled(s.State) })
}

// InTheWay waits for a child, named by its kind, that waits for an object of somebody else
// to go, itself or in a child of its own: it goes on by itself then. Nil for a child that
// waits for none, or of which a step has failed.
func InTheWay(kind string, child interface {
	GetName() string
	GetConditions() *[]metav1.Condition
	GetSteps() []v1alpha1.StepStatus
}) *Verdict {
	says := ""
	for _, s := range child.GetSteps() {
		switch {
		case s.State == v1alpha1.StepFailed:
			return nil
		case s.State == v1alpha1.StepWaiting && s.Reason == v1alpha1.NameConflictReason:
			says = s.Message
		}
	}
	stalled := meta.FindStatusCondition(*child.GetConditions(), v1alpha1.StalledCondition)
	if stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == v1alpha1.NameConflictReason {
		says = stalled.Message
	}
	if says == "" {
		return nil
	}
	wait := Await(v1alpha1.NameConflictReason, "%s %s: %s", kind, child.GetName(), says)
	return &wait
}

func done(s v1alpha1.StepState) bool { return s == v1alpha1.StepPassed || s == v1alpha1.StepSkipped }

func settled(s v1alpha1.StepState) bool { return done(s) || s == v1alpha1.StepFailed }

// record writes a verdict into its entry. Messages have a bound in the API.
func record(entry *v1alpha1.StepStatus, v Verdict, now time.Time) {
	same := entry.State == v.State && entry.Finished != nil
	entry.State, entry.Reason, entry.Message = v.State, v.Reason, message.Clip(v.Message, message.Step)
	if entry.Started == nil {
		entry.Started = &metav1.Time{Time: now}
	}
	if !settled(v.State) {
		entry.Finished = nil
	} else if !same {
		entry.Finished = &metav1.Time{Time: now}
	}
}
