// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package evidence reads what Jobs of ours said, and keeps it where nobody can
// change it.
package evidence

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/report"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// largest document that a ConfigMap takes, with room for its metadata.
const largest = 900 << 10

// logTail bounds what is read of a log of a pod that died without a result.
const logTail = int64(256 << 10)

// Reader reads outcomes and keeps documents. It implements pipeline.Reports.
type Reader struct {
	// Client reads pods (from the cache) and creates ConfigMaps.
	Client client.Client
	// Live reads Events, which nobody caches.
	Live client.Reader
	// Logs of pods are not objects: they need the typed client.
	Logs  kubernetes.Interface
	Clock clock.PassiveClock
}

// Outcome tells how far a Job is and what its pod said.
func (r Reader) Outcome(ctx context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	outcome, stopped := ended(job)
	over := outcome.State != pipeline.JobRunning
	pod, err := r.pod(ctx, job, over)
	switch {
	case err != nil:
		return pipeline.JobOutcome{}, err
	case pod == nil:
		return r.podless(outcome, stopped), nil
	case over && runs(pod) && (!stopped || pod.DeletionTimestamp == nil):
		return pipeline.JobOutcome{State: pipeline.JobRunning, LookAgain: r.Clock.Now().Add(time.Second)}, nil
	}
	fill(&outcome, pod)
	lose(&outcome, pod, stopped)
	if outcome.State == pipeline.JobRunning {
		return outcome, r.starting(ctx, pod, &outcome)
	}
	return r.read(ctx, pod, outcome)
}

// podless is the outcome of a Job that has no pod, yet or any more.
func (r Reader) podless(outcome pipeline.JobOutcome, stopped bool) pipeline.JobOutcome {
	switch outcome.State {
	case pipeline.JobRunning:
		outcome.LookAgain = r.Clock.Now().Add(startsWithin)
	case pipeline.JobSucceeded:
		outcome.State = pipeline.JobFailed
		outcome.Message = "the Job is over and its pod is gone: what it found is lost; retry the step"
	}
	outcome.Lost = outcome.State == pipeline.JobFailed && !stopped
	return outcome
}

// ended takes what the Job says of its end, and whether it was stopped at its deadline: its
// pods are deleted then.
func ended(job *batchv1.Job) (outcome pipeline.JobOutcome, stopped bool) {
	outcome.State = pipeline.JobRunning
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			outcome.State = pipeline.JobSucceeded
		case batchv1.JobFailed:
			outcome.State, outcome.Message = pipeline.JobFailed, c.Message
			stopped = c.Reason == batchv1.JobReasonDeadlineExceeded
		}
	}
	return outcome, stopped
}

// runs says whether a pod is still at work for all that is known. A Job that is over has none:
// its news came before the pod's.
func runs(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodPending || pod.Status.Phase == corev1.PodRunning
}

// lose says whether nobody knows how the Job ended, and why the kubelet ended its pod. Of one
// that was stopped at its deadline that is known.
func lose(outcome *pipeline.JobOutcome, pod *corev1.Pod, stopped bool) {
	outcome.Lost = !stopped && (outcome.Lost || outcome.State == pipeline.JobFailed && went(pod, *outcome))
	if outcome.State == pipeline.JobFailed && outcome.Result.Reason == "" && pod.Status.Message != "" {
		outcome.Message = pod.Status.Reason + ": " + pod.Status.Message
	}
}

// went says whether a pod without a result ended with its node, or was driven from it: then
// its containers are as they were last seen, or were ended from outside.
func went(pod *corev1.Pod, outcome pipeline.JobOutcome) bool {
	if outcome.Result.Reason != "" {
		return false
	}
	running := func(s corev1.ContainerStatus) bool { return s.State.Running != nil }
	driven := func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	}
	return pod.DeletionTimestamp != nil || slices.ContainsFunc(pod.Status.InitContainerStatuses, running) ||
		slices.ContainsFunc(pod.Status.ContainerStatuses, running) || slices.ContainsFunc(pod.Status.Conditions, driven)
}

// read takes the whole result and the documents from the pod's log. Of a pod
// that died without a result it gives the end of the log.
func (r Reader) read(ctx context.Context, pod *corev1.Pod, outcome pipeline.JobOutcome) (pipeline.JobOutcome, error) {
	termination := terminationOf(pod)
	if termination == "" {
		tail, err := r.log(ctx, pod, workload.ContainerRun, ptr.To(logTail))
		if err == nil && len(tail) > 0 {
			outcome.Documents = map[string][]byte{"run.log": tail}
		}
		if outcome.Lost { // with a node that gives no log either
			return outcome, nil
		}
		return outcome, ignoreGone(err)
	}
	log, err := r.log(ctx, pod, workload.ContainerReport, nil)
	switch {
	case ignoreGone(err) != nil && outcome.Lost:
		return outcome, nil
	case ignoreGone(err) != nil:
		return outcome, err
	}
	result, documents, err := report.Read([]byte(termination), bytes.NewReader(log))
	if err != nil && outcome.Message == "" {
		outcome.Message = fmt.Sprintf("the evidence of this Job is not complete: %v", err)
	}
	outcome.Result, outcome.Documents = result, documents
	return outcome, nil
}

func terminationOf(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == workload.ContainerReport && status.State.Terminated != nil {
			return status.State.Terminated.Message
		}
	}
	return ""
}

// ignoreGone: a log that is not there any more cannot be waited for.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) {
		return nil
	}
	return err
}

// fill takes times and result from the pod.
func fill(outcome *pipeline.JobOutcome, pod *corev1.Pod) {
	if pod.Status.StartTime != nil {
		outcome.Started = pod.Status.StartTime.Time
	}
	outcome.Pending = pending(pod)
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if ended := status.State.Terminated; ended != nil {
			hear(outcome, status.Name, ended)
		}
	}
	if outcome.State == pipeline.JobSucceeded && !outcome.Result.OK {
		outcome.State = pipeline.JobFailed
		outcome.Message = "the Job completed without a result of the agent"
	}
}

// hear takes what a container that ended says.
func hear(outcome *pipeline.JobOutcome, container string, ended *corev1.ContainerStateTerminated) {
	if ended.FinishedAt.After(outcome.Ended) {
		outcome.Ended = ended.FinishedAt.Time
	}
	failed := outcome.State == pipeline.JobFailed
	outcome.Lost = outcome.Lost || failed && unknown[ended.Reason]
	if container == workload.ContainerReport {
		result, err := report.ParseTermination([]byte(ended.Message))
		switch {
		case err == nil:
			outcome.Result = result
		case failed && !unknown[ended.Reason]:
			outcome.Message = fmt.Sprintf("the agent's report cannot be read: %v", err)
		}
		return
	}
	if failed && ended.ExitCode != 0 {
		outcome.Message = fmt.Sprintf("container %s ended with code %d (%s): %s",
			container, ended.ExitCode, ended.Reason, strings.TrimSpace(ended.Message))
	}
}

// unknown are the words of containerd and of the kubelet for a container that ended while
// they were away: its exit code is none.
var unknown = map[string]bool{"Unknown": true, "ContainerStatusUnknown": true}

// pending says why a pod does not run, in the words of scheduler or kubelet.
func pending(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting := status.State.Waiting
		if waiting != nil && waiting.Reason != "PodInitializing" && waiting.Reason != "ContainerCreating" {
			return fmt.Sprintf("%s: %s", waiting.Reason, waiting.Message)
		}
	}
	return ""
}

// pod gives the newest pod of the Job, or nil. That a Job which is over has none is not
// believed of the cache: it may not know the pod yet.
func (r Reader) pod(ctx context.Context, job *batchv1.Job, over bool) (*corev1.Pod, error) {
	pod, err := newest(ctx, r.Client, job)
	if err == nil && pod == nil && over {
		return newest(ctx, r.Live, job)
	}
	return pod, err
}

func newest(ctx context.Context, from client.Reader, job *batchv1.Job) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := from.List(ctx, &pods, client.InNamespace(job.Namespace),
		client.MatchingLabels{batchv1.JobNameLabel: job.Name})
	if err != nil {
		return nil, fmt.Errorf("list pods of Job %s: %w", job.Name, err)
	}
	var newest *corev1.Pod
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !metav1.IsControlledBy(pod, job) {
			continue
		}
		if newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp) {
			newest = pod
		}
	}
	return newest, nil
}

func (r Reader) log(ctx context.Context, pod *corev1.Pod, container string, limit *int64) ([]byte, error) {
	stream, err := r.Logs.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: container, LimitBytes: limit,
	}).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("read log of pod %s: %w", pod.Name, err)
	}
	defer func() { _ = stream.Close() }()
	content, err := io.ReadAll(io.LimitReader(stream, task.MaxDocument))
	if err != nil {
		return nil, fmt.Errorf("read log of pod %s: %w", pod.Name, err)
	}
	return content, nil
}
