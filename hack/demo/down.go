// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/hack/demo/world"
)

// down removes what the demo made, the site and its data included.
func (d *demo) down(ctx context.Context) error {
	if d.cluster && !d.Current {
		w, err := world.Repository(d.Options)
		if err != nil {
			return err
		}
		return d.step("the local cluster is gone", func() error {
			_, err := w.Cluster(ctx, "down")
			return err
		})
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	return d.step("what the demo made is gone", func() error {
		if err := d.Clear(ctx, world.Site); err != nil {
			return err
		}
		for _, name := range []string{mailNamespace, witnessNamespace} {
			if err := d.Remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
				return err
			}
		}
		return nil
	})
}
