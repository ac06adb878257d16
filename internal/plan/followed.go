// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// OrderName is how the go-live of an attempt is called.
func OrderName(p *v1alpha1.UpgradePlan, e v1alpha1.StepStatus) string {
	return pipeline.PlaceOf(p, e).Name("golive")
}

// Unrecorded gives the attempt of step GoLive that may have ordered a go-live of which its
// entry tells nothing, as that status was lost: its own or, as a retry is heard and ordered at
// once, the next. False when the entry tells, or is over.
func Unrecorded(e v1alpha1.StepStatus) (v1alpha1.StepStatus, bool) {
	if e.State == v1alpha1.StepFailed {
		return v1alpha1.StepStatus{Name: e.Name, State: v1alpha1.StepPending, Attempt: e.Attempt + 1}, true
	}
	return e, e.Finished == nil && len(e.Children) == 0
}

// Followed is the step of a go-live that is under way, alone: it needs the go-live and
// nothing of the site. Of a plan without one there is no entry.
func Followed(v View) ([]pipeline.Step[View], *v1alpha1.StepStatus) {
	alone := goLive
	alone.Needs = pipeline.None
	for i := range v.Plan.Status.Steps {
		e := &v.Plan.Status.Steps[i]
		if e.Name == v1alpha1.StepGoLive && e.Finished == nil && len(e.Children) > 0 {
			return []pipeline.Step[View]{alone}, e
		}
	}
	return nil, nil
}

// Expects says whether a plan has still to see how its go-live ended, which has a verdict.
// An order whose record was lost is known by its name.
func Expects(p *v1alpha1.UpgradePlan, run *v1alpha1.GoLive) bool {
	complete, _ := condition(p, v1alpha1.CompleteCondition)
	if _, known := condition(run, v1alpha1.SucceededCondition); !known || isTrue(complete) {
		return false
	}
	return slices.ContainsFunc(p.Status.Steps, func(e v1alpha1.StepStatus) bool {
		if e.Name != v1alpha1.StepGoLive {
			return false
		}
		if next, lost := Unrecorded(e); lost {
			return run.Labels[v1alpha1.OwnerUIDLabel] == string(p.UID) && run.Name == OrderName(p, next)
		}
		is := func(c v1alpha1.ChildRef) bool { return c.UID == run.UID }
		return e.Finished == nil && slices.ContainsFunc(e.Children, is)
	})
}

// ExpectsWayBack says whether a plan has still to see that a rollback from its go-live
// brought the site back.
func ExpectsWayBack(p *v1alpha1.UpgradePlan, back *v1alpha1.Rollback, run *v1alpha1.GoLive) bool {
	complete, _ := condition(p, v1alpha1.CompleteCondition)
	return run.Name != "" && p.Status.GoLive == run.Name && !isTrue(complete) && wentBack(back) && goesBackFrom(back, run)
}
