// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/production"
)

// A rollback that failed past the point of no return may need other files than
// its spec asks for, and that never changes: another rollback to the same state
// takes the site over from it, closed as it is.

// StepSwitch is the step that puts the restored database in the place of the live one.
const StepSwitch = "Switch"

// Before says whether another rollback goes back to the same state, and did not
// bring it about.
func Before(mine, other *v1alpha1.Rollback, g *v1alpha1.GoLive) bool {
	if mine.UID == other.UID || mine.Spec.SiteRef != other.Spec.SiteRef ||
		meta.IsStatusConditionTrue(other.Status.Conditions, v1alpha1.SucceededCondition) {
		return false
	}
	return g != nil && GoLiveOf(other) == g.Name || equality.Semantic.DeepEqual(mine.Spec.To, other.Spec.To)
}

// GoLiveOf names the go-live that a rollback goes back from.
func GoLiveOf(r *v1alpha1.Rollback) string {
	if ref := r.Spec.To.GoLiveRef; ref != nil {
		return ref.Name
	}
	if noted := r.Status.Source; noted != nil {
		return noted.GoLive
	}
	return ""
}

// GivesWay says whether a rollback lets another one take the site over: it
// holds it past the point of no return, it failed or was deleted, and it has
// not switched. A pod that switches may still run: it is awaited like a hop's.
func GivesWay(r *v1alpha1.Rollback) bool {
	if !committed(r.Status.Lease) || r.Status.Opened != nil || Switched(r) {
		return false
	}
	return !r.DeletionTimestamp.IsZero() ||
		slices.ContainsFunc(closing.Working(r.Status.Steps), func(e v1alpha1.StepStatus) bool {
			return e.State == v1alpha1.StepFailed
		})
}

// Switched says whether the restored database is in its place: what is left is
// to let users in.
func Switched(r *v1alpha1.Rollback) bool {
	return passed(r, StepSwitch)
}

// From names the holder that gives way: a go-live with the doors closed, or an
// earlier rollback to the same state. Empty when there is none.
func From(g *v1alpha1.GoLive, before []v1alpha1.Rollback) string {
	for i := range before {
		if GivesWay(&before[i]) {
			return production.Identity(&before[i])
		}
	}
	if !givesWay(g) {
		return ""
	}
	return production.Identity(g)
}

// Left names the runs that have left a closed site: what they left is taken over by a free lease
// that says Committed. None, as long as any run counts on the lease, by what each says that it
// holds: that one takes it again, and goes on or gives way. Nobody counts on one whose number
// was raised since.
func Left(
	g *v1alpha1.GoLive, before []v1alpha1.Rollback, held []*v1alpha1.HeldLease, fence int32,
) []string {
	if slices.ContainsFunc(held, func(h *v1alpha1.HeldLease) bool { return committed(h) && h.Fence >= fence }) {
		return nil
	}
	left := func(h *v1alpha1.HeldLease, opened *metav1.Time) bool {
		return opened == nil && (h == nil || committed(h))
	}
	var out []string
	if g != nil && closing.PastCommit(g.Status.Steps) && left(g.Status.Lease, g.Status.Opened) {
		out = append(out, production.Identity(g))
	}
	for i := range before {
		if b := &before[i]; Took(b) && left(b.Status.Lease, b.Status.Opened) {
			out = append(out, production.Identity(b))
		}
	}
	return out
}

// committed says whether a lease holds a site for good.
func committed(held *v1alpha1.HeldLease) bool {
	return held != nil && held.Point == v1alpha1.PointCommitted
}

// givesWay says whether a go-live that still counts on its lease gives way: one
// that was gone back from already has nothing to give.
func givesWay(g *v1alpha1.GoLive) bool {
	return golive.GivesWay(g) && g.Status.Lease != nil
}

// Took says whether a rollback has, or had, the site.
func Took(r *v1alpha1.Rollback) bool {
	return passed(r, closing.StepTakeLease)
}

func passed(r *v1alpha1.Rollback, step string) bool {
	return slices.ContainsFunc(r.Status.Steps, func(e v1alpha1.StepStatus) bool {
		return e.Name == step && e.State == v1alpha1.StepPassed
	})
}

// InheritFrom gives the journal of an earlier rollback to the one that took the
// site over from it: what still stands. It comes before Inherit, for that
// rollback has inherited from the go-live itself.
func InheritFrom(r, before *v1alpha1.Rollback, observed []production.Observed) {
	if !committed(r.Status.Lease) || closing.PastCommit(r.Status.Steps) {
		return
	}
	for i, c := range before.Status.Changes {
		mine := slices.ContainsFunc(r.Status.Changes, func(m v1alpha1.Change) bool { return m.ID == c.ID })
		if !mine && c.State != v1alpha1.ChangeUndone && production.StillOurs(c, observed[i]) {
			c.State, c.Foreign = v1alpha1.ChangeApplied, ""
			r.Status.Changes = append(r.Status.Changes, c)
		}
	}
}

// closedSince says whether the holder that gives way says that nobody wrote; or, where that is
// lost, the page that it took over from the go-live. Where pods run behind that page, users may
// have been led to them meanwhile, and the database is whole: it is counted.
func (v View) closedSince() bool {
	if v.Grip.Holder == "" || v.HolderGone {
		run, _ := production.ShutBy(v.Rollback, v.Door)
		if v.Site == nil {
			return false
		}
		pods, _ := v.Running()
		return pods == 0 && run == production.Identity(v.GoLive) && slices.Contains(v.Inherits, run)
	}
	for i := range v.Before {
		if b := &v.Before[i]; v.Grip.Holder == production.Identity(b) {
			return GivesWay(b) && b.Status.Source != nil && b.Status.Source.Doors == v1alpha1.DoorsStayedClosed
		}
	}
	return givesWay(v.GoLive) && v.Grip.Holder == production.Identity(v.GoLive)
}
