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

// Reopen lets the last steps of a ledger run again when another was mended or retried: those
// that are over where something stands that they do not know, and those that are at work,
// for what the other makes now is not theirs to remove yet.
func Reopen(ledger []v1alpha1.StepStatus, stands bool, last ...string) {
	others := slices.ContainsFunc(ledger, func(s v1alpha1.StepStatus) bool {
		return !slices.Contains(last, s.Name) && (s.State == v1alpha1.StepRunning || s.State == v1alpha1.StepWaiting)
	})
	for i, s := range ledger {
		over := settled(s.State) && s.State != v1alpha1.StepSkipped && s.Finished != nil && stands
		atWork := others && (s.State == v1alpha1.StepRunning || s.State == v1alpha1.StepWaiting)
		if slices.Contains(last, s.Name) && (over || atWork) {
			ledger[i] = v1alpha1.StepStatus{Name: s.Name, State: v1alpha1.StepPending, Attempt: s.Attempt}
		}
	}
}

// InTheWay waits for a child, named by its kind, that needs a person and goes on by itself
// once they helped: it waits, itself or in a child of its own, for an object of somebody else
// to go, or for what should be done for long. Nil for a child that does neither, or of which
// a step has failed.
func InTheWay(kind string, child interface {
	GetName() string
	GetConditions() *[]metav1.Condition
	GetSteps() []v1alpha1.StepStatus
}) *Verdict {
	reason, says := "", ""
	for _, s := range child.GetSteps() {
		switch {
		case s.State == v1alpha1.StepFailed:
			return nil
		case s.State == v1alpha1.StepWaiting &&
			(s.Reason == v1alpha1.NameConflictReason || s.Reason == v1alpha1.TimedOutReason):
			reason, says = s.Reason, s.Message
		}
	}
	stalled := meta.FindStatusCondition(*child.GetConditions(), v1alpha1.StalledCondition)
	if stalled != nil && stalled.Status == metav1.ConditionTrue && stalled.Reason == v1alpha1.NameConflictReason {
		reason, says = stalled.Reason, stalled.Message
	}
	if says == "" {
		return nil
	}
	wait := Await(reason, "%s %s: %s", kind, child.GetName(), says)
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
