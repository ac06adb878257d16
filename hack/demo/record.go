// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	// Audit is how long the audit log was, Flows the record of connections.
	Audit, Flows int64
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
	if r.Audit, err = d.length(ctx, "audit"); err != nil {
		return nil, err
	}
	r.Flows, err = d.length(ctx, "connections")
	return r, err
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

// length of a log of the local cluster; 0 on a cluster of others.
func (d *demo) length(ctx context.Context, name string) (int64, error) {
	path := d.kept(ctx, name)
	if path == "" {
		return 0, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("find log %s: %w", name, err)
	}
	return info.Size(), nil
}

// since opens a log of the local cluster behind what was in it already.
func (d *demo) since(ctx context.Context, name string, length int64) (*os.File, error) {
	file, err := os.Open(d.kept(ctx, name))
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, err)
	}
	if _, err := file.Seek(length, io.SeekStart); err != nil {
		return nil, errors.Join(fmt.Errorf("read log %s: %w", name, err), file.Close())
	}
	return file, nil
}

// kept gives the path of a log of the local cluster; empty on a cluster of others.
func (d *demo) kept(ctx context.Context, name string) string {
	if d.Current {
		return ""
	}
	path, err := d.Cluster(ctx, "logs", name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(path)
}
