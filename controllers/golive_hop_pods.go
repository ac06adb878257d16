// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// hopPods counts what has not ended of a go-live's hops, by Job: pods, and
// Jobs that may still start one. It asks the cluster and not the ledger, which
// knows the children of the latest attempt only.
func (b Base) hopPods(ctx context.Context, g *v1alpha1.GoLive) (map[string]int, error) {
	return b.podsOf(ctx, g, golive.StepHops)
}

// podsOf counts what has not ended of a step of a run.
func (b Base) podsOf(ctx context.Context, g pipeline.Owner, step string) (map[string]int, error) {
	marks := client.MatchingLabels{v1alpha1.OwnerUIDLabel: string(g.GetUID()), v1alpha1.StepLabel: step}
	var jobs batchv1.JobList
	if err := b.Live.List(ctx, &jobs, client.InNamespace(g.GetNamespace()), marks); err != nil {
		return nil, fmt.Errorf("list Jobs of step %s: %w", step, err)
	}
	left := map[string]int{}
	for i := range jobs.Items {
		if job := &jobs.Items[i]; mayStart(job) {
			left[job.Name]++
		}
	}
	// A pod may outlive its Job: where it says itself whose it is, that counts.
	var pods corev1.PodList
	ofJobs := client.HasLabels{batchv1.JobNameLabel}
	if err := b.Live.List(ctx, &pods, client.InNamespace(g.GetNamespace()), ofJobs); err != nil {
		return nil, fmt.Errorf("list Pods of step %s: %w", step, err)
	}
	of := map[string]bool{}
	for _, job := range jobs.Items {
		of[job.Name] = true
	}
	for _, pod := range pods.Items {
		name := pod.Labels[batchv1.JobNameLabel]
		ours := of[name] || pod.Labels[v1alpha1.OwnerUIDLabel] == string(g.GetUID()) &&
			pod.Labels[v1alpha1.StepLabel] == step
		if ours && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			left[name]++
		}
	}
	return left, nil
}

// hopAgain says whether an entry is a hop that was or is about to be retried.
func hopAgain(e v1alpha1.StepStatus) bool {
	return e.Name == golive.StepHops && (e.Attempt > 1 || e.State == v1alpha1.StepFailed)
}

// mayStart says whether a Job without a pod may still get one: it was begun,
// or somebody holds it back, and it is not over.
func mayStart(job *batchv1.Job) bool {
	for _, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return false
		}
	}
	held := job.Spec.Suspend != nil && *job.Spec.Suspend
	return job.Status.Active == 0 && (job.Status.StartTime != nil || held)
}
