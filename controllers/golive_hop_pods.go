// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// hopPods counts what has not ended of a go-live's hops.
func (b Base) hopPods(ctx context.Context, g *v1alpha1.GoLive) (map[string]int, error) {
	return b.unended(ctx, g.Namespace, labels.SelectorFromSet(labels.Set{
		v1alpha1.OwnerUIDLabel: string(g.UID), v1alpha1.StepLabel: golive.StepHops}))
}

// working counts what may still write a site's database, whoever made it: a run that is lost
// leaves its pods. Not those that a rollback made itself, nor those of runs elsewhere.
func (b Base) working(ctx context.Context, back *v1alpha1.Rollback, elsewhere []string) (map[string]int, error) {
	marks := labels.NewSelector()
	for _, r := range []struct {
		label string
		is    selection.Operator
		one   []string
	}{
		{v1alpha1.StepLabel, selection.In, []string{golive.StepHops, rollback.StepSwitch}},
		{v1alpha1.OwnerUIDLabel, selection.Exists, nil},
		{v1alpha1.OwnerUIDLabel, selection.NotIn, append([]string{string(back.UID)}, elsewhere...)},
	} {
		requirement, err := labels.NewRequirement(r.label, r.is, r.one)
		if err != nil {
			return nil, fmt.Errorf("select Jobs of other runs: %w", err)
		}
		marks = marks.Add(*requirement)
	}
	return b.unended(ctx, back.Namespace, marks)
}

// unended counts what has not ended of Jobs, by Job: pods, and Jobs that may still start one.
// It asks the cluster and no ledger, which knows the children of the latest attempt only.
func (b Base) unended(ctx context.Context, namespace string, marks labels.Selector) (map[string]int, error) {
	var jobs batchv1.JobList
	marked := client.MatchingLabelsSelector{Selector: marks}
	if err := b.Live.List(ctx, &jobs, client.InNamespace(namespace), marked); err != nil {
		return nil, fmt.Errorf("list Jobs that have not ended: %w", err)
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
	if err := b.Live.List(ctx, &pods, client.InNamespace(namespace), ofJobs); err != nil {
		return nil, fmt.Errorf("list Pods that have not ended: %w", err)
	}
	of := map[string]bool{}
	for _, job := range jobs.Items {
		of[job.Name] = true
	}
	for _, pod := range pods.Items {
		name := pod.Labels[batchv1.JobNameLabel]
		ours := of[name] || marks.Matches(labels.Set(pod.Labels))
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
