// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

const midMigration = "in mid-migration"

// plugs are the points of a go-live at which the operator is killed.
var plugs = []struct {
	name string
	due  func(*v1alpha1.GoLive) bool
}{
	{"after an intent", func(g *v1alpha1.GoLive) bool { return len(g.Status.Changes) > 0 }},
	{"after closing", func(g *v1alpha1.GoLive) bool { return reached(g, "CloseDoors", v1alpha1.StepPassed) }},
	{"after commit", func(g *v1alpha1.GoLive) bool { return reached(g, "Commit", v1alpha1.StepPassed) }},
	{midMigration, func(g *v1alpha1.GoLive) bool { return reached(g, "Hops", v1alpha1.StepRunning) }},
	{"before opening", func(g *v1alpha1.GoLive) bool { return reached(g, "StartWeb", v1alpha1.StepPassed) }},
}

func reached(g *v1alpha1.GoLive, step string, states ...v1alpha1.StepState) bool {
	for _, s := range g.Status.Steps {
		for _, state := range states {
			if s.Name == step && s.State == state {
				return true
			}
		}
	}
	return false
}

// pullThePlug kills gradus-production without a word at each of the points, and
// gives the names of those at which it did, when the go-live is over. In
// mid-migration operator and watchdog stay dead for a time.
func pullThePlug(ctx context.Context, t *testing.T, name client.ObjectKey, dead time.Duration) <-chan []string {
	pulled := make(chan []string, 1)
	go func() {
		var names []string
		defer func() { pulled <- names }()
		run := &v1alpha1.GoLive{}
		run.Namespace, run.Name = name.Namespace, name.Name
		_, err := world.Await(ctx, admin, run, func(g *v1alpha1.GoLive) (string, error) {
			for len(names) < len(plugs) && plugs[len(names)].due(g) {
				var err error
				if plugs[len(names)].name == midMigration {
					err = allDead(ctx, name.Namespace, dead)
				} else {
					err = kill(ctx)
				}
				if err != nil {
					return "", err
				}
				names = append(names, plugs[len(names)].name)
			}
			if len(names) == len(plugs) {
				return "", nil
			}
			return "waiting for " + plugs[len(names)].name, nil
		})
		if err != nil && ctx.Err() == nil {
			t.Errorf("pull the plug: %v", err)
		}
	}()
	return pulled
}

func kill(ctx context.Context) error {
	return admin.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(world.SystemNamespace),
		client.MatchingLabels{"app.kubernetes.io/component": "production"},
		&client.DeleteAllOfOptions{DeleteOptions: client.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}})
}
