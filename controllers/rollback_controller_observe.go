// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// source is what a rollback may take the site over from.
type source struct {
	goLive *v1alpha1.GoLive
	before []v1alpha1.Rollback
	// taken: the site was taken right now.
	taken bool
}

func (r *RollbackReconciler) source(ctx context.Context, back *v1alpha1.Rollback) (source, error) {
	goLive, err := r.goLive(ctx, back)
	if err != nil {
		return source{}, err
	}
	before, err := r.before(ctx, back, goLive)
	return source{goLive: goLive, before: before}, err
}

// goLive reads the go-live that is gone back from: the one named, or the one
// whose fix point the named backup is.
func (r *RollbackReconciler) goLive(ctx context.Context, back *v1alpha1.Rollback) (*v1alpha1.GoLive, error) {
	if ref := back.Spec.To.GoLiveRef; ref != nil {
		return optional(ctx, r.Live, back.Namespace, ref.Name, &v1alpha1.GoLive{})
	}
	var all v1alpha1.GoLiveList
	if err := r.Live.List(ctx, &all, client.InNamespace(back.Namespace)); err != nil {
		return nil, fmt.Errorf("list GoLives: %w", err)
	}
	for i, g := range all.Items {
		if g.Status.FixPoint != "" && g.Status.FixPoint == back.Spec.To.BackupRef.Name {
			return &all.Items[i], nil
		}
	}
	return nil, nil
}

// observe reads everything live.
func (r *RollbackReconciler) observe(
	ctx context.Context, back *v1alpha1.Rollback, from source, grip production.Grip,
) (rollback.View, error) {
	scene, err := r.scene(ctx, back, grip)
	view := rollback.View{Scene: scene, Rollback: back, GoLive: from.goLive, Before: from.before, Taken: from.taken}
	if err != nil || scene.Site == nil {
		return view, err
	}
	name := ""
	if back.Spec.To.BackupRef != nil {
		name = back.Spec.To.BackupRef.Name
	} else if from.goLive != nil {
		name = from.goLive.Status.FixPoint
	}
	if view.Backup, err = optional(ctx, r.Live, back.Namespace, name, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	if view.HopPods, err = r.working(ctx, from); err != nil {
		return view, err
	}
	if back.Spec.Files == v1alpha1.RestoreFiles {
		if view.Claims, err = r.claims(ctx, back, scene); err != nil {
			return view, err
		}
	}
	var approvals v1alpha1.UpgradeApprovalList
	if err := r.Live.List(ctx, &approvals, client.InNamespace(back.Namespace)); err != nil {
		return view, fmt.Errorf("list UpgradeApprovals: %w", err)
	}
	view.Approvals = approvals.Items
	return view, nil
}
