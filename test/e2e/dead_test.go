// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/hack/demo/world"
)

// deadFor is how long operator and watchdog are dead in mid-migration: 3 minutes,
// or GRADUS_E2E_DEAD, such as 10m. It must be longer than the lease (two minutes),
// or it shows nothing.
func deadFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("GRADUS_E2E_DEAD")
	if text == "" {
		return 3 * time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 150*time.Second {
		t.Fatalf("GRADUS_E2E_DEAD: want a duration of 150s or more, got %q", text)
	}
	return d
}

// The live site misbehaves, and no rehearsal that is over did: a hop that waits
// inside a statement, so that there is a middle of the migration, and one that
// fails after half of its work.
const (
	slowHop   = "migration-slow=2.0:grades:60s"
	brokenHop = "migration-fail=2.0:grades"
)

// misbehave puts a fault into the live site's configuration.
func misbehave(t *testing.T, ns, fault string) {
	t.Helper()
	config := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "campus-config"}}
	patch := fmt.Sprintf(`{"stringData":{"faults":%q}}`, fault)
	if err := admin.Patch(t.Context(), config, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatalf("make the live site misbehave: %v", err)
	}
}

// everyKeeper lists the Deployments that keep a go-live: the operator and the
// watchdog beside the site.
func everyKeeper(ctx context.Context, ns string) ([]appsv1.Deployment, error) {
	var out []appsv1.Deployment
	for _, namespace := range []string{world.SystemNamespace, ns} {
		var all appsv1.DeploymentList
		if err := admin.List(ctx, &all, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		for _, d := range all.Items {
			if d.Namespace == world.SystemNamespace || strings.HasPrefix(d.Name, "gradus-watchdog") {
				out = append(out, d)
			}
		}
	}
	if len(out) < 3 {
		return nil, fmt.Errorf("%d keepers, want gradus-manager, gradus-production and a watchdog", len(out))
	}
	return out, nil
}

// allDead takes every keeper away for a time, and then gives them back. The
// time is the thing itself: nobody is there who could be watched.
func allDead(ctx context.Context, ns string, d time.Duration) error {
	keepers, err := everyKeeper(ctx, ns)
	if err != nil {
		return err
	}
	for _, k := range keepers {
		if err := resize(ctx, k, 0); err != nil {
			return err
		}
		pods := client.MatchingLabels(k.Spec.Selector.MatchLabels)
		now := &client.DeleteAllOfOptions{DeleteOptions: client.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}}
		if err := admin.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(k.Namespace), pods, now); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	for _, k := range keepers {
		if err := resize(context.WithoutCancel(ctx), k, ptr.Deref(k.Spec.Replicas, 1)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func resize(ctx context.Context, of appsv1.Deployment, replicas int32) error {
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	return admin.Patch(ctx, &of, client.RawPatch("application/merge-patch+json", []byte(patch)))
}
