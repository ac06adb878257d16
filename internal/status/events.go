// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/metrics"
)

// Events tells what changed between two states of an object. The zero value
// tells nothing.
type Events struct {
	Recorder events.EventRecorder
}

// Warn emits one Event that no step stands behind.
func (e Events) Warn(regarding Object, reason, says string) {
	e.emit(regarding, corev1.EventTypeWarning, reason, says)
}

// Diff emits one Event for every step that was settled or began to wait, and
// one when the object stalls. It is called after the write succeeded.
func (e Events) Diff(before, after Object) {
	old := map[string]v1alpha1.StepStatus{}
	for _, step := range before.GetSteps() {
		old[step.Name+"/"+step.Key] = step
	}
	for _, step := range after.GetSteps() {
		was := old[step.Name+"/"+step.Key]
		if was.State == step.State && was.Attempt == step.Attempt {
			continue
		}
		if step.Finished != nil {
			metrics.Settled(after.OwnerKind(), step)
		}
		switch step.State {
		case v1alpha1.StepFailed:
			e.emit(after, corev1.EventTypeWarning, step.Name+"Failed", step.Message)
		case v1alpha1.StepPassed, v1alpha1.StepSkipped, v1alpha1.StepWaiting:
			e.emit(after, corev1.EventTypeNormal, step.Name+string(step.State), step.Message)
		}
	}
	was := meta.FindStatusCondition(*before.GetConditions(), v1alpha1.StalledCondition)
	now := meta.FindStatusCondition(*after.GetConditions(), v1alpha1.StalledCondition)
	if now != nil && (was == nil || was.Reason != now.Reason) {
		e.emit(after, corev1.EventTypeWarning, now.Reason, now.Message)
	}
}

func (e Events) emit(regarding Object, kind, reason, says string) {
	if e.Recorder == nil {
		return
	}
	e.Recorder.Eventf(regarding, nil, kind, reason, "Reconcile", "%s", message.Clip(says, message.Event))
}
