// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// before reads the other rollbacks: those to the same state, and when any of them
// let users in.
func (r *RollbackReconciler) before(ctx context.Context, back *v1alpha1.Rollback, s *source) error {
	var all v1alpha1.RollbackList
	if err := r.Live.List(ctx, &all, client.InNamespace(back.Namespace)); err != nil {
		return fmt.Errorf("list Rollbacks: %w", err)
	}
	for i := range all.Items {
		other := &all.Items[i]
		if rollback.Before(back, other, s.goLive) {
			s.before = append(s.before, *other)
		}
		switch {
		case other.Spec.SiteRef != back.Spec.SiteRef:
			s.elsewhere = append(s.elsewhere, string(other.UID))
		case other.UID != back.UID:
			s.saw(other, other.Status.Opened)
		}
	}
	return nil
}

// inherit takes over what an earlier rollback or the go-live still holds, as long as
// the ledger does not say that the lease was taken. Repeated after a crash, or when
// it could not look, it finds the same: nothing is written before.
func (r *RollbackReconciler) inherit(ctx context.Context, back *v1alpha1.Rollback, s source) error {
	if !s.taken {
		return nil
	}
	had := slices.Clone(back.Status.Changes)
	err := r.takeOver(ctx, back, s)
	if err != nil {
		back.Status.Changes = had // all of it, or nothing
	}
	return err
}

func (r *RollbackReconciler) takeOver(ctx context.Context, back *v1alpha1.Rollback, s source) error {
	for i := range s.before {
		b := &s.before[i]
		if !rollback.Took(b) {
			continue
		}
		observed, err := production.ObserveAll(ctx, r.Live, back.Namespace, b.Status.Changes)
		if err != nil {
			return err
		}
		rollback.InheritFrom(back, b, observed)
	}
	if s.goLive == nil {
		return nil
	}
	observed, err := production.ObserveAll(ctx, r.Live, back.Namespace, s.goLive.Status.Changes)
	if err != nil {
		return err
	}
	rollback.Inherit(back, s.goLive, observed)
	return nil
}

// followed says whether another rollback took the site over from this one,
// which had not let users in: now, or since. One that holds it as Reversible found the lease
// deleted, and lets it go again.
func followed(back *v1alpha1.Rollback, grip production.Grip) bool {
	if !rollback.Took(back) || closing.Opening(back.Status.Steps) {
		return false
	}
	return back.Held() == nil || tookOver(back, grip)
}
