// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// Remember notes what is gone back to, as long as it is there to be seen:
// what comes after the point of no return must not need it.
func (v View) Remember() {
	noted := v.Rollback.Status.Source
	doors := v1alpha1.DoorsOpened
	switch {
	case noted != nil && v.Bypassed && !Switched(v.Rollback): // what was priced is not all
	case noted != nil && Took(v.Rollback): // once and for all
		doors = noted.Doors
	case v.stayedClosed():
		doors = v1alpha1.DoorsStayedClosed
	}
	if v.began() && v.Site != nil && v.whole() {
		found := v.found()
		v.Rollback.Status.Source = &found
	}
	if v.Rollback.Status.Source != nil {
		v.Rollback.Status.Source.Doors = doors
	}
}

// source is what is gone back to: as it is, or as it was noted.
func (v View) source() v1alpha1.RollbackSource {
	if noted := v.Rollback.Status.Source; noted != nil && !v.whole() {
		return *noted
	}
	return v.found()
}

// whole says whether the objects that are gone back to are those of the start.
func (v View) whole() bool {
	noted := v.Rollback.Status.Source
	if v.Backup == nil || noted == nil {
		return v.Backup != nil
	}
	return string(v.Backup.UID) == noted.UID && (noted.GoLive == "" || v.GoLive != nil)
}

// found reads the source from the live objects.
func (v View) found() v1alpha1.RollbackSource {
	if v.Backup == nil {
		return v1alpha1.RollbackSource{}
	}
	s := v1alpha1.RollbackSource{
		Backup: v.Backup.Name, UID: string(v.Backup.UID), Version: v.Backup.Status.Version,
		Counts: v.Backup.Status.Counts,
	}
	if c, claim := v.pick(v.Backup.Status.Copies); claim != "" {
		s.Dump = &c
	}
	if v.GoLive == nil {
		return s
	}
	s.GoLive = v.GoLive.Name
	for _, c := range v.GoLive.Status.Changes {
		if c.Field == v1alpha1.FieldTemplate {
			s.Images = append(s.Images, c)
		}
	}
	return s
}

// dump gives the copy of the database that can be restored, and the claim that
// keeps it; no claim when there is none.
func (v View) dump() (v1alpha1.BackupCopy, string) {
	if c := v.source().Dump; c != nil {
		return v.pick([]v1alpha1.BackupCopy{*c})
	}
	return v1alpha1.BackupCopy{}, ""
}

// pick gives the first of some copies that is a verified dump in a volume of the Site.
func (v View) pick(copies []v1alpha1.BackupCopy) (v1alpha1.BackupCopy, string) {
	for _, c := range copies {
		if c.Holds != v1alpha1.HoldsDatabase || c.Path == "" || c.Verified == nil {
			continue
		}
		for _, location := range v.Site.Spec.Backup.Locations {
			if location.Name == c.Location && location.Volume != nil {
				return c, location.Volume.ClaimName
			}
		}
	}
	return v1alpha1.BackupCopy{}, ""
}

// began: the first step looked at everything and passed.
func (v View) began() bool {
	steps := v.Rollback.Status.Steps
	return len(steps) > 0 && steps[0].State == v1alpha1.StepPassed
}

// Blind says what a rollback that began cannot go on without; nil when it can.
// Before the point of no return it ends there; after it, it waits until what is
// missing is back.
func (v View) Blind() *pipeline.Verdict {
	if !v.began() || v.PastCommit() && !v.Held() {
		return nil // the first step looks at this itself; the last has let go
	}
	no := func(reason, format string, a ...any) *pipeline.Verdict {
		verdict := pipeline.Fail(reason, format, a...)
		return &verdict
	}
	s := v.Scene
	if s.Site == nil {
		return no(v1alpha1.SiteNotFoundReason, "Site %s was deleted", v.Rollback.Spec.SiteRef.Name)
	}
	switch _, web := s.Web(); {
	case s.Profile == nil:
		return no("ProfileUnknown", "profile %q is not one that this version of Gradus has", s.Site.Spec.Profile)
	case len(s.Missing) > 0:
		return no(v1alpha1.SiteNotReadyReason, "missing: %s", strings.Join(s.Missing, ", "))
	case s.Database == nil:
		return no(v1alpha1.SiteNotReadyReason, "Site %s names no database server in this namespace any more", s.Site.Name)
	case web == nil || s.Door == nil:
		return no(v1alpha1.SiteNotReadyReason, "Site %s names no web workload any more", s.Site.Name)
	}
	return v.sourceless(no)
}

// sourceless says what of the state to go back to is missing, where it is
// still needed.
func (v View) sourceless(no func(reason, format string, a ...any) *pipeline.Verdict) *pipeline.Verdict {
	noted := v.source()
	restored := slices.ContainsFunc(v.Rollback.Status.Steps, func(e v1alpha1.StepStatus) bool {
		return e.Name == "RestoreBeside" && e.State == v1alpha1.StepPassed
	})
	committed := v.PastCommit()
	switch _, claim := v.dump(); {
	case noted.Backup == "" || !committed && v.Backup == nil:
		return no("BackupNotFound", "SiteBackup %s is gone", v.backupName())
	case !committed && string(v.Backup.UID) != noted.UID:
		return no("BackupNotFound", "SiteBackup %s was deleted; another one has its name", noted.Backup)
	case !committed && noted.GoLive != "" && v.GoLive == nil:
		return no("GoLiveNotFound", "GoLive %s is gone", noted.GoLive)
	case !restored && claim == "":
		return no("NoWayBack", "the dump of SiteBackup %s is in no volume location of Site %s any more",
			noted.Backup, v.Site.Name)
	}
	return nil
}

// PastCommit says whether nothing is undone any more: by the lease, or by the
// ledger once the lease was let go.
func (v View) PastCommit() bool {
	return v.Held() && v.Committed() ||
		slices.ContainsFunc(v.Rollback.Status.Steps, func(e v1alpha1.StepStatus) bool {
			return e.Name == closing.StepCommit && e.State == v1alpha1.StepPassed
		})
}

func (v View) backupName() string {
	if noted := v.Rollback.Status.Source; noted != nil {
		return noted.Backup
	}
	if ref := v.Rollback.Spec.To.BackupRef; ref != nil {
		return ref.Name
	}
	if v.GoLive != nil && v.GoLive.Status.FixPoint != "" {
		return v.GoLive.Status.FixPoint
	}
	return "of the fix point"
}

// Abandon fails the step at which a rollback stands, and says whether there was one.
func (v View) Abandon(no pipeline.Verdict) bool {
	return closing.Abandon(v.Rollback.Status.Steps, no.Reason, no.Message, v.Now)
}
