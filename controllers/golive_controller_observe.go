// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/production"
)

// observe reads everything live.
func (r *GoLiveReconciler) observe(
	ctx context.Context, g *v1alpha1.GoLive, grip production.Grip,
) (golive.View, error) {
	scene, err := r.scene(ctx, g, grip)
	view := golive.View{Scene: scene, GoLive: g}
	if err == nil {
		view.Rollback, err = r.unkept(ctx, view)
	}
	if err != nil || scene.Site == nil {
		return view, err
	}
	if view.Backup, err = optional(ctx, r.Live, g.Namespace, g.Spec.BackupRef.Name, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	view.Sought = g.Status.FixPoint
	if view.FixPoint, err = optional(ctx, r.Live, g.Namespace, view.Sought, &v1alpha1.SiteBackup{}); err != nil {
		return view, err
	}
	if len(g.Spec.Scale) > 0 {
		live := r.liveOf(scene)
		if view.Autoscalers, err = live.autoscalers(ctx); err != nil {
			return view, err
		}
	}
	if slices.ContainsFunc(g.Status.Steps, hopAgain) {
		if view.HopPods, err = r.hopPods(ctx, g); err != nil {
			return view, err
		}
	}
	return view, r.observeGates(ctx, &view)
}

// unkept gives the Rollback that the run made and could not keep, if there is one.
func (r *GoLiveReconciler) unkept(ctx context.Context, v golive.View) (*v1alpha1.Rollback, error) {
	back, err := optional(ctx, r.Live, v.GoLive.Namespace, v.Unkept(), &v1alpha1.Rollback{})
	if err != nil || back == nil || back.Labels[v1alpha1.OwnerUIDLabel] != string(v.GoLive.UID) ||
		back.Labels[v1alpha1.StepLabel] != golive.StepRollBack {
		return nil, err
	}
	return back, nil
}

// observeGates computes what was decided on again, and who agreed.
func (r *GoLiveReconciler) observeGates(ctx context.Context, view *golive.View) error {
	g := view.GoLive
	plan, err := optional(ctx, r.Live, g.Namespace, g.Spec.PlanRef.Name, &v1alpha1.UpgradePlan{})
	if err != nil || plan == nil || g.Spec.PlanRef.UID != "" && plan.UID != g.Spec.PlanRef.UID {
		return err
	}
	view.Plan = plan
	facts := gate.Facts{Plan: plan, Site: view.Site, AgentImage: r.Install.Image}
	if view.Profile != nil {
		facts.ProfileDigest = view.Profile.Digest()
	}
	trial, staging := plan.Status.Trial, plan.Status.Staging
	if facts.Trial, err = optional(ctx, r.Live, g.Namespace, trial, &v1alpha1.TrialUpgrade{}); err != nil {
		return err
	}
	if facts.Staging, err = optional(ctx, r.Live, g.Namespace, staging, &v1alpha1.StagingEnvironment{}); err != nil {
		return err
	}
	view.Unrehearsed = order.Unrehearsed(g.Spec.Upgrade, facts.Trial, facts.Staging)
	var approvals v1alpha1.UpgradeApprovalList
	if err := r.Live.List(ctx, &approvals, client.InNamespace(g.Namespace)); err != nil {
		return fmt.Errorf("list UpgradeApprovals: %w", err)
	}
	now := r.Clock.Now()
	view.Digest = gate.Subject(v1alpha1.GateGoLive, facts).Digest()
	view.Gate = gate.Count(plan, v1alpha1.GateGoLive, view.Digest, approvals.Items, now)
	view.Open = gate.Count(plan, v1alpha1.GateOpen, gate.Subject(v1alpha1.GateOpen, facts).Digest(), approvals.Items, now)
	return nil
}

// optional reads an object that may not be there; no name, no object.
func optional[T client.Object](ctx context.Context, from client.Reader, namespace, name string, into T) (T, error) {
	var none T
	if name == "" {
		return none, nil
	}
	switch err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into); {
	case apierrors.IsNotFound(err):
		return none, nil
	case err != nil:
		return none, fmt.Errorf("get %T %s: %w", into, name, err)
	}
	return into, nil
}
