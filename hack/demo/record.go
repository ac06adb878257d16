// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/proof"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// record is what must be known of the time before, to judge the time after.
type record struct {
	Began time.Time
	// Before is the data of the live site.
	Before proof.Data
	// Live are the objects of the site.
	Live []proof.Object
	// Replicas of its Deployments.
	Replicas map[string]int32
	// Audit is how long the audit log was.
	Audit int64
	// Roll is every pod that was seen.
	Roll proof.Roll
	// Reached is what a pod inside a copy could reach.
	Reached []string
	Tried   int
}

func (d *demo) path() string { return filepath.Join(d.Root, ".demo", "run.json") }

func (d *demo) save(r *record) error {
	if err := os.MkdirAll(filepath.Dir(d.path()), 0o755); err != nil {
		return fmt.Errorf("make folder for the record: %w", err)
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return os.WriteFile(d.path(), text, 0o644)
}

func (d *demo) load() (*record, error) {
	text, err := os.ReadFile(d.path())
	if err != nil {
		return nil, fmt.Errorf("read record of the upgrade (run it first): %w", err)
	}
	r := &record{}
	return r, json.Unmarshal(text, r)
}

// first takes down how the site is before anybody touches it.
func (d *demo) first(ctx context.Context, began time.Time) (*record, error) {
	r := &record{Began: began}
	var err error
	if r.Before, err = d.data(ctx); err != nil {
		return nil, err
	}
	if r.Live, err = d.live(ctx); err != nil {
		return nil, err
	}
	if r.Replicas, err = d.replicas(ctx); err != nil {
		return nil, err
	}
	if path := d.audit(ctx); path != "" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("find audit log: %w", err)
		}
		r.Audit = info.Size()
	}
	return r, nil
}

// data lets the LMS count its rows and hash its files.
func (d *demo) data(ctx context.Context) (proof.Data, error) {
	log, err := d.InSite(ctx, world.Site, "stats", "--json", "--hash-files")
	if err != nil {
		return proof.Data{}, err
	}
	return proof.ReadData(log)
}

// live lists the objects that are the site: its namespace, which go-live labels under
// the lease, the volumes of its claims, and whatever is in it and not of Gradus.
func (d *demo) live(ctx context.Context) ([]proof.Object, error) {
	out := []proof.Object{{Resource: "namespaces", Name: world.Site}}
	var volumes corev1.PersistentVolumeList
	if err := d.List(ctx, &volumes); err != nil {
		return nil, fmt.Errorf("list PersistentVolumes: %w", err)
	}
	for _, v := range volumes.Items {
		if of := v.Spec.ClaimRef; of != nil && of.Namespace == world.Site && !strings.HasPrefix(of.Name, "gradus-") {
			out = append(out, proof.Object{Resource: "persistentvolumes", Name: v.Name})
		}
	}
	for resource, list := range map[string]client.ObjectList{
		"deployments": &appsv1.DeploymentList{}, "statefulsets": &appsv1.StatefulSetList{},
		"services": &corev1.ServiceList{}, "secrets": &corev1.SecretList{}, "configmaps": &corev1.ConfigMapList{},
		"persistentvolumeclaims": &corev1.PersistentVolumeClaimList{}, "pods": &corev1.PodList{},
		"cronjobs": &batchv1.CronJobList{}, "horizontalpodautoscalers": &autoscalingv2.HorizontalPodAutoscalerList{},
	} {
		if err := d.List(ctx, list, client.InNamespace(world.Site)); err != nil {
			return nil, fmt.Errorf("list %s: %w", resource, err)
		}
		err := world.Each(list, func(o client.Object) error {
			if !strings.HasPrefix(o.GetName(), "gradus-") {
				out = append(out, proof.Object{Resource: resource, Namespace: o.GetNamespace(), Name: o.GetName()})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// replicas gives the number of pods that each Deployment of the site has.
func (d *demo) replicas(ctx context.Context) (map[string]int32, error) {
	var all appsv1.DeploymentList
	if err := d.List(ctx, &all, client.InNamespace(world.Site)); err != nil {
		return nil, fmt.Errorf("list Deployments: %w", err)
	}
	out := map[string]int32{}
	for _, one := range all.Items {
		if !strings.HasPrefix(one.Name, "gradus-") {
			out[one.Name] = ptr.Deref(one.Spec.Replicas, 1)
		}
	}
	return out, nil
}

// audit gives the path of the API server's audit log; empty on a cluster of others.
func (d *demo) audit(ctx context.Context) string {
	if d.Current {
		return ""
	}
	path, err := d.Cluster(ctx, "logs", "audit")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(path)
}

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
