// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// source is what a rollback may take the site over from.
type source struct {
	goLive *v1alpha1.GoLive
	before []v1alpha1.Rollback
	// opened is when any run of the site last let users in.
	opened *metav1.Time
	// held is what each other run of the site says that it holds.
	held []*v1alpha1.HeldLease
	// runs of the site, by identity.
	runs []string
	// elsewhere are the UIDs of runs of other sites.
	elsewhere []string
	// taken: the site was taken right now.
	taken bool
}

func (r *RollbackReconciler) source(ctx context.Context, back *v1alpha1.Rollback) (source, error) {
	var s source
	if err := r.goLives(ctx, back, &s); err != nil {
		return s, err
	}
	return s, r.before(ctx, back, &s)
}

// goLives reads the go-live that is gone back from: the one named, or the one
// whose fix point the named backup is; and when any of them let users in.
func (r *RollbackReconciler) goLives(ctx context.Context, back *v1alpha1.Rollback, s *source) error {
	var all v1alpha1.GoLiveList
	if err := r.Live.List(ctx, &all, client.InNamespace(back.Namespace)); err != nil {
		return fmt.Errorf("list GoLives: %w", err)
	}
	to := back.Spec.To
	for i := range all.Items {
		g := &all.Items[i]
		named := to.GoLiveRef != nil && to.GoLiveRef.Name == g.Name
		made := to.BackupRef != nil && g.Status.FixPoint != "" && g.Status.FixPoint == to.BackupRef.Name
		if named || made {
			s.goLive = g
		}
		if g.Spec.SiteRef != back.Spec.SiteRef {
			s.elsewhere = append(s.elsewhere, string(g.UID))
			continue
		}
		s.saw(g, g.Status.Opened)
	}
	return nil
}

// saw notes of another run when it let users in, and what it holds.
func (s *source) saw(run production.Owner, opened *metav1.Time) {
	s.runs, s.held = append(s.runs, production.Identity(run)), append(s.held, run.Held())
	if opened != nil && (s.opened == nil || s.opened.Before(opened)) {
		s.opened = opened
	}
}

// gone says whether the holder of the lease is a run that is no more. One that is not among
// those which were listed may have been made since.
func (r *RollbackReconciler) gone(ctx context.Context, back *v1alpha1.Rollback, s source, holder string) (bool, error) {
	kind, rest, _ := strings.Cut(holder, "/")
	name, uid, _ := strings.Cut(rest, "/")
	var run client.Object
	switch {
	case slices.Contains(s.runs, holder):
		return false, nil
	case kind == "GoLive":
		run = &v1alpha1.GoLive{}
	case kind == "Rollback":
		run = &v1alpha1.Rollback{}
	default:
		return false, nil
	}
	found, err := optional(ctx, r.Live, back.Namespace, name, run)
	return err == nil && (found == nil || string(found.GetUID()) != uid), err
}

// observe reads everything live.
func (r *RollbackReconciler) observe(
	ctx context.Context, back *v1alpha1.Rollback, from source, grip production.Grip,
) (rollback.View, error) {
	scene, err := r.scene(ctx, back, grip)
	view := rollback.View{Scene: scene, Rollback: back, GoLive: from.goLive, Before: from.before, Opened: from.opened}
	if err != nil || scene.Site == nil {
		return view, err
	}
	if scene.HolderGone, err = r.gone(ctx, back, from, grip.Holder); err != nil {
		return view, err
	}
	scene.Inherits = rollback.Left(from.goLive, from.before, from.held, grip.Fence)
	name := ""
	if back.Spec.To.BackupRef != nil {
		name = back.Spec.To.BackupRef.Name
	} else if from.goLive != nil {
		name = from.goLive.Status.FixPoint
	}
	if view.Backup, err = optional(ctx, r.Live, back.Namespace, name, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	if view.HopPods, err = r.working(ctx, back, from.elsewhere); err != nil {
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
