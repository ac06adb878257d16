// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// victims in the order of the table.
var victims = []victim{
	{name: managerVictim, namespace: world.SystemNamespace, pod: managerVictim},
	{name: productionVictim, namespace: world.SystemNamespace, pod: productionVictim},
	// It lives from the closing of the doors to their opening.
	{name: watchdogVictim, namespace: world.Site, pod: watchdogVictim, otherwise: productionVictim},
	{name: "kubelet"}, {name: "containerd"}, {name: "etcd"}, {name: "kube-apiserver"},
}

func victimNames() []string {
	var out []string
	for _, v := range victims {
		out = append(out, v.name)
	}
	return out
}

func victimOf(name string) victim {
	for _, v := range victims {
		if v.name == name {
			return v
		}
	}
	return victim{name: name}
}

// kill is one that was done.
type kill struct {
	round  int
	after  time.Duration
	victim string
	// doing is what the plan was at.
	doing string
	// what was killed, and when it was back, in the words of the cluster.
	what string
}

func (k kill) String() string {
	return fmt.Sprintf("%s in upgrade %d after %s, at %s", k.victim, k.round, k.after.Round(time.Second), k.doing)
}

// strikes kills at its moments until there are enough kills or the upgrade is
// over. A kill that has begun is brought to its end.
func (k *killing) strikes(ctx context.Context, round int, all []moment) error {
	began := time.Now()
	for _, m := range all {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(began.Add(m.After))):
		}
		if len(k.done) == k.times {
			return nil
		}
		done := kill{round: round, doing: k.doing(ctx), after: time.Since(began)}
		var err error
		if done.victim, done.what, err = k.strike(context.WithoutCancel(ctx), victimOf(m.Victim)); err != nil {
			return fmt.Errorf("kill %s: %w", m.Victim, err)
		}
		if done.what == "" {
			k.say("  %s is spared: it is not back from the last time", done.victim)
			continue
		}
		k.done = append(k.done, done)
		k.say("  KILL %2d/%d %-17s at %s: %s", len(k.done), k.times, done.victim, done.doing, done.what)
	}
	return nil
}

// strike kills one victim, and gives its name and what the cluster said: nothing
// of one that does not run.
func (k *killing) strike(ctx context.Context, v victim) (name, what string, err error) {
	target := v.name
	if v.pod != "" {
		if target, err = k.container(ctx, v); err != nil {
			return "", "", err
		}
		if target == "" && v.otherwise != "" {
			return k.strike(ctx, victimOf(v.otherwise))
		}
		if target == "" {
			return v.name, "", nil
		}
	}
	what, err = k.Cluster(ctx, "kill", target)
	if v.pod != "" {
		err = nil // it may have ended before the API server heard of it
	}
	return v.name, strings.TrimSpace(what), err
}

// container gives the ID of the running container of a victim's pod, if there
// is one.
func (k *killing) container(ctx context.Context, v victim) (string, error) {
	var pods corev1.PodList
	if err := k.List(ctx, &pods, client.InNamespace(v.namespace)); err != nil {
		return "", fmt.Errorf("list pods of %s: %w", v.namespace, err)
	}
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			if strings.HasPrefix(p.Name, v.pod+"-") && c.State.Running != nil {
				_, id, _ := strings.Cut(c.ContainerID, "://")
				return id, nil
			}
		}
	}
	return "", nil
}

// doing tells the step of the plan, and of its go-live while that runs.
func (k *killing) doing(ctx context.Context) string {
	plan := &v1alpha1.UpgradePlan{}
	if err := k.Get(ctx, client.ObjectKey{Namespace: world.Site, Name: planName}, plan); err != nil {
		return "a step that could not be read"
	}
	goLive := &v1alpha1.GoLive{}
	key := client.ObjectKey{Namespace: world.Site, Name: plan.Status.GoLive}
	if strings.HasPrefix(plan.Status.Summary.Step, "15/18") && key.Name != "" && k.Get(ctx, key, goLive) == nil {
		for _, s := range goLive.Status.Steps {
			if s.State == v1alpha1.StepRunning {
				return plan.Status.Summary.Step + ", " + s.Name + keyed(s.Key)
			}
		}
	}
	return plan.Status.Summary.Step
}
