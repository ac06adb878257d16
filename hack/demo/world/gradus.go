// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Gradus installs Gradus, or replaces what is installed by what was just
// built, and waits until both managers run.
func (w *World) Gradus(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	if _, err := w.Kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", "config/local"); err != nil {
		return err
	}
	for _, name := range []string{"gradus-manager", "gradus-production"} {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: SystemNamespace, Name: name}}
		// The tag stays the same from build to build: new pods take the new image.
		restart := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"gradus-demo/started":%q}}}}}`,
			time.Now().Format(time.RFC3339))
		if err := w.Patch(ctx, d, client.RawPatch("application/merge-patch+json", []byte(restart))); err != nil {
			return fmt.Errorf("restart Deployment %s: %w", name, err)
		}
		if err := w.Available(ctx, SystemNamespace, name); err != nil {
			return err
		}
	}
	return nil
}

// Available waits until every pod of a Deployment is new and ready.
func (w *World) Available(ctx context.Context, namespace, name string) error {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	_, err := Await(ctx, w, d, func(d *appsv1.Deployment) (string, error) {
		wanted := int32(1)
		if d.Spec.Replicas != nil {
			wanted = *d.Spec.Replicas
		}
		s := d.Status
		all := s.UpdatedReplicas >= wanted && s.AvailableReplicas >= wanted && s.Replicas <= wanted
		if s.ObservedGeneration < d.Generation || !all {
			return fmt.Sprintf("%d of %d pods are available", s.AvailableReplicas, wanted), nil
		}
		return "", nil
	})
	return err
}
