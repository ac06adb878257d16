// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// alike are the steps of a go-live that take as long on the way back: the same
// pods stop and start, the same database and files are looked at.
var alike = []string{"CloseDoors", "Quiesce", "AwaitSilence", "Lock", "Verify", "StartWeb", "Smoke", "OpenDoors"}

// renaming is a bound, not a measure: two renames in one transaction.
const renaming = 10 * time.Second

// predict says how long users are shut out, from what was measured on this
// very site; nothing when no go-live of it was timed.
func (v View) predict() (*metav1.Duration, []v1alpha1.OutagePart) {
	if v.GoLive == nil {
		return nil, nil
	}
	var parts []v1alpha1.OutagePart
	for _, p := range v.GoLive.Status.Parts {
		// What took no time adds none, and the API wants a time.
		if p.Actual != nil && p.Actual.Duration > 0 && slices.Contains(alike, p.Name) {
			parts = append(parts, v1alpha1.OutagePart{Name: p.Name, Took: *p.Actual, Source: "GoLive " + v.GoLive.Name})
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	// The site serves while the backup is restored beside it, unless it is closed already.
	if c := v.source().Dump; v.afterFailure() && c != nil && c.TookRestore != nil && c.TookRestore.Duration > 0 {
		parts = append(parts, v1alpha1.OutagePart{Name: "RestoreBeside", Took: *c.TookRestore,
			Source: "SiteBackup " + v.source().Backup + ", its proof by restoring"})
	}
	parts = append(parts, v1alpha1.OutagePart{Name: "Switch", Took: metav1.Duration{Duration: renaming},
		Source: "a bound: two renames in one transaction"})
	var sum time.Duration
	for _, p := range parts {
		sum += p.Took.Duration
	}
	return &metav1.Duration{Duration: sum}, parts
}

// closedFor tells the predicted outage to people.
func closedFor(p *v1alpha1.RollbackPrice) string {
	if p.Outage == nil {
		return "; how long users would be shut out was never measured"
	}
	minutes := int64((p.Outage.Duration + time.Minute - 1) / time.Minute)
	if minutes == 1 {
		return "; users would be shut out for about a minute"
	}
	return fmt.Sprintf("; users would be shut out for about %d minutes", minutes)
}
