// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// production says in words how the live site is.
func production(v View) string {
	switch back := v.Rollback; {
	case closedBy(v.GoLive, back):
		return "closed, " + string(back.Status.Lease.Point) + ", by Rollback " + back.Name
	case back != nil && back.Status.Opened != nil:
		return "open, at " + back.Status.Version
	case v.GoLive == nil && v.Plan != nil && v.Plan.Status.GoLive != "":
		return withoutItsGoLive(v.Plan)
	case v.GoLive == nil || v.GoLive.Status.Closed == nil:
		return "open; nothing of it changed since the plan began"
	case v.GoLive.Status.Opened != nil:
		return "open, at " + v.GoLive.Status.Version
	case v.GoLive.Status.Lease != nil && !gaveWay(v.GoLive):
		return "closed, " + string(v.GoLive.Status.Lease.Point)
	}
	return "open; every change was undone"
}

// withoutItsGoLive says how the site is by what a plan has seen of a go-live that is gone.
func withoutItsGoLive(p *v1alpha1.UpgradePlan) string {
	switch {
	case settledWell(p, v1alpha1.StepGoLive):
		return "open, at " + p.Spec.Target.Version
	case wasUndone(p):
		return "open; every change was undone"
	}
	return "unknown: go-live " + p.Status.GoLive + " is gone; look at the site"
}

// wasUndone says whether a plan has seen its go-live end without success, and the site as
// it was before.
func wasUndone(p *v1alpha1.UpgradePlan) bool {
	return slices.ContainsFunc(p.Status.Steps, func(e v1alpha1.StepStatus) bool {
		return e.Name == v1alpha1.StepGoLive && e.State == v1alpha1.StepFailed &&
			e.Reason != pipeline.ChildGoneReason && e.Reason != v1alpha1.LeaseLostReason
	})
}

// closedBy says whether a rollback has the site and users see its page, or still
// that of the go-live from which it took over.
func closedBy(run *v1alpha1.GoLive, back *v1alpha1.Rollback) bool {
	return back != nil && back.Status.Lease != nil && back.Status.Opened == nil &&
		(back.Status.Closed != nil || run != nil && run.Status.Opened == nil)
}

// Held lists what is held on production, in words: by the way back once that has
// the site, and else by the go-live.
func Held(run *v1alpha1.GoLive, back *v1alpha1.Rollback) []v1alpha1.HeldStatus {
	switch {
	case wentBack(back):
		return nil
	case back != nil && back.Status.Lease != nil:
		return heldBy(back.Status.Lease, back.Status.Changes)
	case run == nil:
		return nil
	}
	return heldBy(run.Status.Lease, run.Status.Changes)
}

// heldBy lists what one run holds. Without a lease those are the changes that
// outlive it; what it knows of others was put back, or taken over.
func heldBy(lease *v1alpha1.HeldLease, changes []v1alpha1.Change) []v1alpha1.HeldStatus {
	onCrash := "LetGo"
	var held []v1alpha1.HeldStatus
	if lease != nil {
		if lease.Point == v1alpha1.PointCommitted {
			onCrash = "Hold"
		}
		held = append(held, v1alpha1.HeldStatus{
			Kind: "Lease", OnCrash: onCrash, What: lease.Name + ", " + string(lease.Point),
		})
	}
	for _, c := range changes {
		if c.State == v1alpha1.ChangeApplied && c.Undo != v1alpha1.UndoNever &&
			(lease != nil || c.Undo == v1alpha1.UndoAlways) {
			crash := onCrash
			if c.Undo == v1alpha1.UndoAlways {
				crash = "Hold" // no watchdog takes extra pods away
			}
			held = append(held, v1alpha1.HeldStatus{
				Kind: "Change", OnCrash: crash, What: fmt.Sprintf("%s %s: %s", c.Target.Kind, c.Target.Name, c.Field),
			})
		}
	}
	return held
}
