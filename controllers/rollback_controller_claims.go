// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// claims reads the claims of the site's volumes and sorts the pods that mount
// them: those of the site's workloads, of Jobs of ours, and all others.
func (r *RollbackReconciler) claims(
	ctx context.Context, back *v1alpha1.Rollback, scene *closing.Scene,
) (rollback.Claims, error) {
	found, err := r.liveOf(scene).claims(ctx, nil)
	if err != nil {
		return rollback.Claims{}, err
	}
	out := rollback.Claims{Live: found, Beside: map[string]*corev1.PersistentVolumeClaim{}}
	var names []string
	for _, v := range scene.Site.Spec.Volumes {
		names = append(names, v.ClaimName, rollback.ClaimBeside(back, v.ClaimName))
		if err := r.beside(ctx, back, v, &out); err != nil {
			return out, err
		}
	}
	var pods corev1.PodList
	if err := r.Live.List(ctx, &pods, client.InNamespace(scene.Site.Namespace)); err != nil {
		return out, fmt.Errorf("list Pods of %s: %w", scene.Site.Namespace, err)
	}
	ours := map[string]v1alpha1.ChildRef{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		claim := mounted(pod, names)
		if claim == "" || ofWorkload(pod, scene) {
			continue
		}
		job, err := r.jobOfOurs(ctx, pod)
		switch {
		case err != nil:
			return out, err
		case job == nil:
			out.Others = append(out.Others, pod.Name+" (claim "+claim+")")
		default:
			ours[job.Name] = v1alpha1.ChildRef{Kind: "Job", Namespace: job.Namespace, Name: job.Name, UID: job.UID}
		}
	}
	for _, ref := range ours {
		out.Ours = append(out.Ours, ref)
	}
	slices.SortFunc(out.Ours, func(a, b v1alpha1.ChildRef) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// beside reads the claims beside that of a volume: the one that is made from the backup, and
// somebody else's where the volume that goes would be kept. From the point of no return on that
// one is ours.
func (r *RollbackReconciler) beside(
	ctx context.Context, back *v1alpha1.Rollback, v v1alpha1.SiteVolume, out *rollback.Claims,
) error {
	name := rollback.ClaimBeside(back, v.ClaimName)
	made, err := optional(ctx, r.Live, back.Namespace, name, &corev1.PersistentVolumeClaim{})
	if err != nil {
		return err
	}
	if made != nil {
		out.Beside[v.Name] = made
	}
	if committed(back) {
		return nil
	}
	name = rollback.ClaimReplaced(back, v.ClaimName)
	taken, err := optional(ctx, r.Live, back.Namespace, name, &corev1.PersistentVolumeClaim{})
	if err == nil && taken != nil {
		out.Taken = append(out.Taken, name)
	}
	return err
}

// mounted gives the first of some claims that a pod mounts, or nothing.
func mounted(pod *corev1.Pod, claims []string) string {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim != nil && slices.Contains(claims, v.PersistentVolumeClaim.ClaimName) {
			return v.PersistentVolumeClaim.ClaimName
		}
	}
	return ""
}

// ofWorkload says whether a pod goes when the site is closed.
func ofWorkload(pod *corev1.Pod, scene *closing.Scene) bool {
	for _, d := range scene.Workloads {
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(pod.Labels)) {
			return true
		}
	}
	return false
}

// jobOfOurs gives the ended Job of ours that a pod belongs to; nil when it
// belongs to anybody else or is still at work.
func (r *RollbackReconciler) jobOfOurs(ctx context.Context, pod *corev1.Pod) (*batchv1.Job, error) {
	if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
		return nil, nil
	}
	job, err := optional(ctx, r.Live, pod.Namespace, pod.Labels[batchv1.JobNameLabel], &batchv1.Job{})
	if err != nil || job == nil || job.Labels[v1alpha1.OwnerUIDLabel] == "" || !metav1.IsControlledBy(pod, job) {
		return nil, err
	}
	return job, nil
}
