// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// check looks whether there is a way back at all, before anything is touched.
var check = pipeline.Step[View]{
	Name: "Check",
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if no := v.Incomplete(); no != nil {
			return *no
		}
		if no := v.Objection(); no != nil {
			return *no
		}
		if what := v.noWay(); what != "" {
			return pipeline.Fail("NoWayBack", "%s", what)
		}
		return pipeline.Pass("SiteBackup %s is verified and can be restored beside the live database", v.Backup.Name)
	},
}

// Objection says what stands against switching, now and right before it.
func (v View) Objection() *pipeline.Verdict {
	no := func(reason, format string, a ...any) *pipeline.Verdict {
		verdict := pipeline.Fail(reason, format, a...)
		return &verdict
	}
	switch {
	case v.Rollback.Spec.To.GoLiveRef != nil && v.GoLive == nil:
		return no("GoLiveNotFound", "GoLive %s does not exist", v.Rollback.Spec.To.GoLiveRef.Name)
	case v.needless():
		return no("NotNeeded", "GoLive %s made this Rollback when it had failed, was retried, and let users in; "+
			"to go back from it all the same, create a Rollback to it", v.GoLive.Name)
	case v.Backup == nil:
		return no("BackupNotFound", "the backup to go back to does not exist; a go-live has one after its step FixPoint")
	case v.Backup.Spec.SiteRef.Name != v.Site.Name:
		return no("BackupOfAnother", "SiteBackup %s is of Site %s", v.Backup.Name, v.Backup.Spec.SiteRef.Name)
	case !meta.IsStatusConditionTrue(v.Backup.Status.Conditions, v1alpha1.VerifiedCondition):
		return no("BackupNotVerified", "SiteBackup %s is not verified", v.Backup.Name)
	}
	if what := v.otherRelease(); what != "" {
		return no("NoWayBack", "%s", what)
	}
	if what := v.Overfull(v.toCome()); what != "" {
		return no("TooManyChanges", "%s", what)
	}
	return v.unconfirmed()
}

// needless says whether a go-live made the rollback for a failure that it got over: the
// rollback reached the API server late. No person has asked to go back from an open site.
func (v View) needless() bool {
	return v.GoLive != nil && v.GoLive.Status.Opened != nil &&
		v.Rollback.Labels[v1alpha1.OwnerUIDLabel] == string(v.GoLive.UID)
}

// toCome gives the ids of what a rollback changes beside closing the site:
// what it takes over to put back, images, and volumes behind their claims.
func (v View) toCome() []string {
	var ids []string
	if v.GoLive != nil {
		for _, c := range v.GoLive.Status.Changes {
			if c.State != v1alpha1.ChangeUndone && (From(v.GoLive, v.Before) != "" || c.Undo == v1alpha1.UndoAlways) {
				ids = append(ids, c.ID)
			}
		}
	}
	for _, c := range images.Change(v, pipeline.At{}) {
		ids = append(ids, c.ID)
	}
	if v.restoresFiles() {
		for _, volume := range v.Site.Spec.Volumes {
			for _, part := range []string{"retain-live-", "retain-new-", "reserve-", "hand-"} {
				ids = append(ids, part+volume.Name)
			}
		}
	}
	return ids
}

// unconfirmed says that a price which needs a person's word has it no more:
// decisions are withdrawn, or made late.
func (v View) unconfirmed() *pipeline.Verdict {
	price := v.Rollback.Status.Price
	if price == nil || v.afterFailure() {
		return nil
	}
	if v.outdated(price) {
		verdict := pipeline.Fail("PriceOutdated", "users were let in after the price was told: %s would be lost then; "+
			"create a new Rollback: it tells the price of now and asks anew", describe(price.RollbackLoss))
		return &verdict
	}
	if v.little(price.RollbackLoss) {
		return nil
	}
	var verdict pipeline.Verdict
	switch g := v.confirmation(v.Now); g.State {
	case v1alpha1.GateOpened:
		return nil
	case v1alpha1.GateRejected:
		verdict = pipeline.Fail("Rejected", "%s", strings.Join(g.Missing, ", "))
	default:
		verdict = pipeline.Fail("NotConfirmed", "nobody confirms any more that %s would be lost",
			describe(price.RollbackLoss))
	}
	return &verdict
}

// outdated says whether a price was told while nobody could write, and somebody
// can since: the run that kept the doors closed has opened them.
func (v View) outdated(price *v1alpha1.RollbackPrice) bool {
	return v.Opened != nil && price.Counted.Before(v.Opened) ||
		slices.ContainsFunc(v.Rollback.Status.Steps, func(e v1alpha1.StepStatus) bool {
			return e.Name == stepConfirm && e.Reason == nothingLost
		})
}

// noWay says why this version of Gradus cannot go back.
func (v View) noWay() string {
	if _, claim := v.dump(); claim == "" {
		return "SiteBackup " + v.Backup.Name + " has no verified dump of the database in a volume location of the Site; " +
			"a snapshot alone cannot be switched in"
	}
	if v.Database == nil {
		return "the database server is not in this namespace: restore with its provider's means"
	}
	if what := v.noWayForFiles(); what != "" {
		return what
	}
	if len(v.Door.Spec.Selector) == 0 {
		return "Service " + v.Door.Name + " has no selector that could be pointed at the holding page"
	}
	return v.otherRelease()
}

// otherRelease says that the site's images would not fit the database that comes
// back, and that nobody knows those that do.
func (v View) otherRelease() string {
	if v.GoLive == nil && v.Site.Status.Version != v.version() {
		return "the site serves " + v.Site.Status.Version + ", the backup is of " + v.version() +
			", and no GoLive tells which images ran then: use to.goLiveRef"
	}
	return ""
}
