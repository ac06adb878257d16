// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package order says what a plan orders of its go-live. The plan writes the
// order by it, and go-live computes it again: an order that says anything else
// than the plan that was approved is not carried out.
package order

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
)

// MaxBackupAge that holds where a plan gives none.
const MaxBackupAge = 24 * time.Hour

// Of gives the order of a plan, but for what only the moment of ordering
// knows: the digest that was approved, the backup, and the end of the window.
func Of(plan *v1alpha1.UpgradePlan) v1alpha1.GoLiveSpec {
	spec := v1alpha1.GoLiveSpec{
		SiteRef: plan.Spec.SiteRef, PlanRef: v1alpha1.PlanRef{Name: plan.Name, UID: plan.UID},
		Upgrade: Upgrade(plan), Strategy: "InPlace", MaxBackupAge: plan.Spec.Backup.MaxAge,
		OnFailure: plan.Spec.GoLive.OnFailure, Look: "Skip", Scale: plan.Spec.Infrastructure.Scale,
	}
	if spec.MaxBackupAge == nil {
		spec.MaxBackupAge = &metav1.Duration{Duration: MaxBackupAge}
	}
	if spec.OnFailure == "" {
		spec.OnFailure = v1alpha1.OnFailureRollBack
	}
	if gate.Asked(plan.Spec.ChangeControl, v1alpha1.GateOpen) {
		spec.Look = "Approve"
	}
	return spec
}

// Upgrade gives what a plan runs, in trials and on the live site.
func Upgrade(plan *v1alpha1.UpgradePlan) v1alpha1.UpgradeSpec {
	u := v1alpha1.UpgradeSpec{
		From: plan.Status.Summary.From, Releases: plan.Spec.Target.Releases,
		HopDeadline: plan.Spec.Upgrade.HopDeadline,
	}
	for _, hop := range plan.Status.Hops {
		u.Hops = append(u.Hops, hop.Hop)
	}
	return u
}

// Strays names the first field of an order that is not what its plan orders;
// "" when the order is the plan's.
func Strays(spec v1alpha1.GoLiveSpec, plan *v1alpha1.UpgradePlan) string {
	want := Of(plan)
	for _, field := range []struct {
		name      string
		got, want any
	}{
		{"spec.siteRef", spec.SiteRef, want.SiteRef},
		{"spec.upgrade.releases", spec.Upgrade.Releases, want.Upgrade.Releases},
		{"spec.upgrade.hops", spec.Upgrade.Hops, want.Upgrade.Hops},
		{"spec.upgrade.hopDeadline", spec.Upgrade.HopDeadline, want.Upgrade.HopDeadline},
		{"spec.maxBackupAge", spec.MaxBackupAge, want.MaxBackupAge},
		{"spec.onFailure", spec.OnFailure, want.OnFailure},
		{"spec.look", spec.Look, want.Look},
		{"spec.scale", spec.Scale, want.Scale},
	} {
		if !equality.Semantic.DeepEqual(field.got, field.want) {
			return field.name
		}
	}
	return ""
}
