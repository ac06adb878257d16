// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/proof"
	"github.com/gradus-lms/gradus/internal/workload"
)

// roll watches who has which address, until the context ends.
type roll struct {
	sync.Mutex
	stays map[string]proof.Stay
	// copies remembers of each namespace whether it is one of a copy.
	copies map[string]bool
	done   chan struct{}
}

func (d *demo) watchPods(ctx context.Context) *roll {
	r := &roll{stays: map[string]proof.Stay{}, copies: map[string]bool{}, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for ctx.Err() == nil {
			// A watch that ended has not told who went meanwhile: the list does.
			var pods corev1.PodList
			if d.List(ctx, &pods) != nil {
				continue
			}
			r.only(pods.Items)
			stream, err := d.Watch(ctx, &corev1.PodList{}, &client.ListOptions{
				Raw: &metav1.ListOptions{ResourceVersion: pods.ResourceVersion},
			})
			if err != nil {
				continue
			}
			for i := range pods.Items {
				r.see(&pods.Items[i], false, d.isCopy(ctx, r.copies, pods.Items[i].Namespace))
			}
			for event := range stream.ResultChan() {
				if pod, ok := event.Object.(*corev1.Pod); ok {
					r.see(pod, event.Type == watch.Deleted, d.isCopy(ctx, r.copies, pod.Namespace))
				}
			}
			stream.Stop()
		}
	}()
	return r
}

// isCopy asks once for each namespace what it is for.
func (d *demo) isCopy(ctx context.Context, known map[string]bool, namespace string) bool {
	if is, ok := known[namespace]; ok {
		return is
	}
	var n corev1.Namespace
	if d.Get(ctx, client.ObjectKey{Name: namespace}, &n) == nil {
		known[namespace] = n.Labels[v1alpha1.PurposeLabel] != ""
	}
	return known[namespace]
}

func (r *roll) see(pod *corev1.Pod, gone, isCopy bool) {
	if pod.Status.PodIP == "" || pod.Spec.HostNetwork {
		return
	}
	r.Lock()
	defer r.Unlock()
	stay, known := r.stays[string(pod.UID)]
	if !known {
		stay = proof.Stay{
			Namespace: pod.Namespace, Pod: pod.Name, IP: pod.Status.PodIP, Copy: isCopy, From: pod.CreationTimestamp.Time,
		}
	}
	stay.Closed = closed(pod)
	over := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	if stay.Until.IsZero() && (gone || over) {
		stay.Until = time.Now()
	}
	r.stays[string(pod.UID)] = stay
}

// only ends the stay of every pod that is not there any more.
func (r *roll) only(pods []corev1.Pod) {
	there := map[string]bool{}
	for _, p := range pods {
		there[string(p.UID)] = true
	}
	r.Lock()
	defer r.Unlock()
	for uid, stay := range r.stays {
		if !there[uid] && stay.Until.IsZero() {
			stay.Until = time.Now()
			r.stays[uid] = stay
		}
	}
}

func (r *roll) all() proof.Roll {
	r.Lock()
	defer r.Unlock()
	var out proof.Roll
	for _, s := range r.stays {
		out = append(out, s)
	}
	return out
}

// closed tells when the first container of a pod of a copy had seen its network closed.
func closed(pod *corev1.Pod) time.Time {
	waits := func(c corev1.Container) bool { return c.Name == workload.ContainerAwaitClosed }
	if !slices.ContainsFunc(pod.Spec.InitContainers, waits) {
		return pod.CreationTimestamp.Time
	}
	for _, s := range pod.Status.InitContainerStatuses {
		if ended := s.State.Terminated; s.Name == workload.ContainerAwaitClosed && ended != nil && ended.ExitCode == 0 {
			return ended.FinishedAt.Time
		}
	}
	return time.Time{}
}
