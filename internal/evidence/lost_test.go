// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// A runtime that is killed while a container ends keeps no exit code.
func TestLostOutcome(t *testing.T) {
	for reason, want := range map[string]bool{"Unknown": true, "ContainerStatusUnknown": true, "Error": false, "OOMKilled": false} {
		j := job(batchv1.JobFailed)
		pod := podOf(j, died, func(p *corev1.Pod) { p.Status.InitContainerStatuses[0].State.Terminated.Reason = reason })
		outcome := pipeline.JobOutcome{State: pipeline.JobFailed}
		if fill(&outcome, pod); outcome.Lost != want {
			t.Errorf("%s: lost is %t", reason, outcome.Lost)
		}
		seen := pipeline.Seen{Jobs: map[string]pipeline.JobOutcome{j.Name: outcome}}
		got := pipeline.JobDone("Working", "Broken", nil)(seen)
		if (got.Reason == v1alpha1.JobLostReason) != want || got.State != v1alpha1.StepFailed {
			t.Errorf("%s: %s %s", reason, got.State, got.Reason)
		}
	}
}

// A pod that went with its node says nothing of the upgrade; one that was deleted at its
// deadline does. One that runs while its Job is over is only known late.
func TestPodThatWent(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	phase := func(p corev1.PodPhase) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Status.Phase = p
			pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "run", State: running}}
		}
	}
	leaving := func(p *corev1.Pod) {
		p.DeletionTimestamp, p.Finalizers = &noon, []string{"batch.kubernetes.io/job-tracking"}
	}
	driven := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
	}
	unbegun := func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "report", State: corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{Reason: "ContainerStatusUnknown", Message: "could not be located"}}}}
	}
	said := reported(task.Result{Reason: task.CountsDiffer, Message: "rows are missing"})
	late := job(batchv1.JobFailed)
	late.Status.Conditions[0].Reason = batchv1.JobReasonDeadlineExceeded
	failed, complete := job(batchv1.JobFailed), job(batchv1.JobComplete)
	for name, c := range map[string]struct {
		job   *batchv1.Job
		pod   *corev1.Pod
		state pipeline.JobState
		lost  bool
	}{
		"failed, and gone":                 {failed, nil, pipeline.JobFailed, true},
		"complete, and gone":               {complete, nil, pipeline.JobFailed, true},
		"too late, and gone":               {late, nil, pipeline.JobFailed, false},
		"left running by its node":         {failed, podOf(failed, phase(corev1.PodFailed)), pipeline.JobFailed, true},
		"it died":                          {failed, podOf(failed, phase(corev1.PodFailed), died), pipeline.JobFailed, false},
		"driven from its node":             {failed, podOf(failed, phase(corev1.PodFailed), died, driven), pipeline.JobFailed, true},
		"driven away when it had its word": {failed, podOf(failed, phase(corev1.PodFailed), driven, said), pipeline.JobFailed, false},
		"too late, and leaving":            {late, podOf(late, phase(corev1.PodRunning), leaving), pipeline.JobFailed, false},
		"deleted, and ended by that":       {failed, podOf(failed, phase(corev1.PodFailed), died, leaving), pipeline.JobFailed, true},
		"too late, its report not begun":   {late, podOf(late, phase(corev1.PodFailed), leaving, unbegun), pipeline.JobFailed, false},
		"leaving, its news to come":        {failed, podOf(failed, phase(corev1.PodRunning), leaving), pipeline.JobRunning, false},
		"the pod's news come after":        {failed, podOf(failed, phase(corev1.PodRunning)), pipeline.JobRunning, false},
		"complete, the pod's news to come": {complete, podOf(complete, phase(corev1.PodRunning)), pipeline.JobRunning, false},
	} {
		objects := []client.Object{c.job}
		if c.pod != nil {
			objects = append(objects, c.pod)
		}
		got, err := reader(t, objects...).Outcome(t.Context(), c.job)
		if err != nil || got.State != c.state || got.Lost != c.lost || c.state == pipeline.JobRunning && got.LookAgain.IsZero() {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// Why the kubelet ended a pod is told.
func TestEvictedPod(t *testing.T) {
	j := job(batchv1.JobFailed)
	pod := podOf(j, died, func(p *corev1.Pod) {
		p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", "the node was low on memory"
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
	})
	got, err := reader(t, j, pod).Outcome(t.Context(), j)
	if err != nil || !got.Lost || got.Why() != "Evicted: the node was low on memory" {
		t.Errorf("%+v %v", got, err)
	}
}
