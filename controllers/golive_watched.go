// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

// watch reads what the run's watchdog may put back, while that matters. Its
// Role says so, whatever it was meant to be; none gives no right at all.
func (b Base) watch(ctx context.Context, s *closing.Scene) error {
	if !s.Held() || s.Grip.Point != v1alpha1.PointReversible {
		return nil
	}
	name := watchdog.Spec{Namespace: s.Site.Namespace, Site: s.Site.Name, Owner: s.Owner}.Name()
	role := &rbacv1.Role{}
	err := b.Live.Get(ctx, client.ObjectKey{Namespace: s.Site.Namespace, Name: name}, role)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get Role %s: %w", name, err)
	}
	s.Watched = watchdog.Covers(role)
	return nil
}
