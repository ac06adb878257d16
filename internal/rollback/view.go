// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package rollback brings a live site back to a verified backup: priced
// first, restored beside, verified, and only then switched. Nothing of the
// side that is switched away is deleted.
package rollback

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// View is what the steps decide from; all of it is read live.
type View struct {
	*closing.Scene
	Rollback *v1alpha1.Rollback
	// GoLive that is gone back from, if one is named or made the backup.
	GoLive *v1alpha1.GoLive
	// Backup to restore, and its dump with the location that keeps it.
	Backup *v1alpha1.SiteBackup
	// Claims of the site's volumes, where files are restored.
	Claims Claims
	// Approvals of the Rollback's price.
	Approvals []v1alpha1.UpgradeApproval
	// Before are other rollbacks to the same state that did not bring it about.
	Before []v1alpha1.Rollback
	// HopPods counts what has not ended of hops of any go-live, and of a switch of
	// another rollback, by Job.
	HopPods map[string]int
	// Opened is when a run last let users in; nil when none did.
	Opened *metav1.Time
}

// Inherit gives the journal with which a rollback begins: what the go-live
// still holds, by the live values, is the rollback's to put back. Of one that
// failed with the doors closed that is all that stands; of one that let users
// in, its extra pods.
// Who takes a lease past the point of no return has taken the site over, also
// when the go-live looks otherwise since: after a crash this is done once more.
func Inherit(r *v1alpha1.Rollback, g *v1alpha1.GoLive, observed []production.Observed) {
	if len(r.Status.Changes) > 0 {
		return
	}
	// What closes the site comes with a lease that nothing undoes, or not at all.
	all := committed(r.Status.Lease) && (givesWay(g) || tookOver(r, g))
	for i, c := range g.Status.Changes {
		stands := c.State != v1alpha1.ChangeUndone && production.StillOurs(c, observed[i])
		if stands && (all || c.Undo == v1alpha1.UndoAlways) {
			// Whatever the go-live was about to do with it, it stands. What somebody merged
			// beside it is told, as a rival's, until it is put right.
			c.State, c.Foreign = v1alpha1.ChangeApplied, ""
			r.Status.Changes = append(r.Status.Changes, c)
		}
	}
}

// afterFailure: the go-live failed past the point of no return, and the doors
// have been closed ever since, by its lease or by what was taken over from it.
// Nobody wrote since the fix point.
func (v View) afterFailure() bool {
	// What was taken over does not change with the go-live: it may be retried,
	// or gone.
	if noted := v.Rollback.Status.Source; noted != nil && (v.Held() || v.GoLive == nil) {
		return noted.Doors == v1alpha1.DoorsStayedClosed && v.Held()
	}
	return v.stayedClosed()
}

// stayedClosed finds that by the live objects: before the site is taken over,
// and when it is.
func (v View) stayedClosed() bool {
	g := v.GoLive
	if g == nil || g.Status.Opened != nil || g.Status.Bypassed != nil {
		return false
	}
	if !closing.PastCommit(g.Status.Steps) || closing.Opening(g.Status.Steps) {
		return false
	}
	if v.Held() {
		return v.tookClosed()
	}
	return v.Grip.Point == v1alpha1.PointCommitted && v.closedSince()
}

// tookClosed says whether the site that was taken right now had been closed all the while. Of a
// lease that was free the last look before tells; of one that was given, whoever had it.
func (v View) tookClosed() bool {
	noted := v.Rollback.Status.Source
	opened := func(s *v1alpha1.RollbackSource) bool { return s != nil && s.Doors == v1alpha1.DoorsOpened }
	if closing.Taking(v.Rollback.Status.Steps) && opened(noted) {
		return false
	}
	return inherited(v.Rollback, v.GoLive) && !slices.ContainsFunc(v.Before, func(b v1alpha1.Rollback) bool {
		return Took(&b) && opened(b.Status.Source)
	})
}

// tookOver says whether a rollback holds the site past a point of no return
// that only the go-live can have passed.
func tookOver(r *v1alpha1.Rollback, g *v1alpha1.GoLive) bool {
	return committed(r.Status.Lease) && !closing.PastCommit(r.Status.Steps) &&
		closing.PastCommit(g.Status.Steps) && g.Status.Opened == nil
}

// inherited says whether the journal begins with what the go-live held: its
// holding page is in the door, not one of ours.
func inherited(r *v1alpha1.Rollback, g *v1alpha1.GoLive) bool {
	for _, mine := range r.Status.Changes {
		for _, theirs := range g.Status.Changes {
			if mine.Field == v1alpha1.FieldSelector && mine.ID == theirs.ID {
				after, err := production.ValueOf(mine.After)
				before, berr := production.ValueOf(theirs.After)
				return err == nil && berr == nil && after.Equal(before)
			}
		}
	}
	return false
}

// suffix tells a rollback's databases and claims from those of others.
func suffix(r *v1alpha1.Rollback) string {
	uid := strings.ReplaceAll(string(r.UID), "-", "")
	return uid[:min(8, len(uid))]
}

// beside is the database into which the backup is restored.
func (v View) beside() string { return v.Site.Spec.Database.Name + "_r" + suffix(v.Rollback) }

// replaced is what the database is called once it was switched away.
func (v View) replaced() string { return v.Site.Spec.Database.Name + "_replaced_" + suffix(v.Rollback) }

// before are the ledgers of those from whom the rollback took over: their
// children go with its own. A go-live that let users in removed them itself.
func before(v View) []v1alpha1.StepStatus {
	var all []v1alpha1.StepStatus
	if g := v.GoLive; g != nil && g.Status.Opened == nil && closing.PastCommit(g.Status.Steps) {
		all = append(all, v.GoLive.Status.Steps...)
	}
	for i := range v.Before {
		if b := &v.Before[i]; Took(b) {
			all = append(all, b.Status.Steps...)
		}
	}
	return all
}

func run(v View) closing.Run { return v.Rollback }

// Over says how a rollback that ended stands; false while it goes on.
func Over(r *v1alpha1.Rollback) (pipeline.Verdict, bool) {
	var failed *v1alpha1.StepStatus
	ended := false
	for i, e := range r.Status.Steps {
		switch {
		case e.State == v1alpha1.StepFailed && failed == nil:
			failed = &r.Status.Steps[i]
		case e.Name == "ReleaseLease" && e.State == v1alpha1.StepPassed:
			return pipeline.Pass("the site is back at %s", r.Status.Version), true
		case e.Name == "GiveBack" && gaveBack(r, e):
			ended = true
		}
	}
	if !ended || failed == nil {
		return pipeline.Verdict{}, false
	}
	return pipeline.Fail(failed.Reason, "%s: %s", failed.Name, failed.Message), true
}

// gaveBack says whether a rollback that failed holds nothing: it gave it back,
// never had it, or another one took the site over.
func gaveBack(r *v1alpha1.Rollback, e v1alpha1.StepStatus) bool {
	return e.State == v1alpha1.StepPassed || e.Reason == "NothingHeld" ||
		e.State == v1alpha1.StepSkipped && r.Status.Lease == nil
}
