// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package plan holds the 18 steps of an UpgradePlan, one file each. A step
// decides from the View; the engine acts.
package plan

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/profile"
)

// View is what the steps of a plan decide from.
type View struct {
	Plan    *v1alpha1.UpgradePlan
	Site    *v1alpha1.Site
	Profile *profile.Profile
	// Holder is the plan that holds the site; empty when nobody does.
	Holder string
	// Missing names what the Site names and was not found.
	Missing []string
	// Workloads of the live site, by the Site's name for them, and its database.
	Workloads map[string]*appsv1.Deployment
	Database  *appsv1.StatefulSet
	// Autoscalers of the site's namespace, where the plan scales.
	Autoscalers []autoscalingv2.HorizontalPodAutoscaler
	// Approvals in the plan's namespace.
	Approvals []v1alpha1.UpgradeApproval
	// Children of the plan, once they exist.
	Backup  *v1alpha1.SiteBackup
	Trial   *v1alpha1.TrialUpgrade
	Staging *v1alpha1.StagingEnvironment
	GoLive  *v1alpha1.GoLive
	// Rollback that goes back from the plan's go-live, if there is one.
	Rollback *v1alpha1.Rollback
	// Channels that the operator's administrator configured.
	Channels []string
	// Location is the Site's time zone.
	Location *time.Location
	Install  environment.Install
	Now      time.Time
}

// upgrade gives what children of the plan are to run.
func (v View) upgrade() v1alpha1.UpgradeSpec { return order.Upgrade(v.Plan) }

// newestTrial is the trial that the plan names. In the walk in which that passes the
// view still has what was there before: nothing, or the trial of an earlier attempt.
func (v View) newestTrial() *v1alpha1.TrialUpgrade {
	if v.Trial == nil || v.Trial.Name != v.Plan.Status.Trial {
		return nil
	}
	return v.Trial
}

// outdated: in the walk in which a backup or trial settles, the one before it is still in
// the view, and no gate, digest or age may be judged by that.
func (v View) outdated() bool {
	return v.Trial != nil && v.newestTrial() == nil ||
		v.Backup != nil && v.Backup.Name != v.Plan.Status.Backup
}

// ref pins the plan for its children.
func (v View) ref() *v1alpha1.PlanRef {
	return &v1alpha1.PlanRef{Name: v.Plan.Name, UID: v.Plan.UID}
}

// facts are what a gate's subject is computed from.
func (v View) facts() gate.Facts {
	return gate.Facts{
		Plan: v.Plan, Site: v.Site, Trial: v.Trial, Staging: v.Staging,
		ProfileDigest: v.Profile.Digest(), AgentImage: v.Install.Image,
	}
}

// margin in percent that is added to every measured time.
func (v View) margin() int32 {
	if m := v.Plan.Spec.Rollout.MarginPercent; m != nil {
		return *m
	}
	return 50
}

// condition gives one condition of a child.
func condition(of interface{ GetConditions() *[]metav1Condition }, kind string) (metav1Condition, bool) {
	for _, c := range *of.GetConditions() {
		if c.Type == kind {
			return c, true
		}
	}
	return metav1Condition{}, false
}
