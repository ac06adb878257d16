// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"fmt"

	"github.com/gradus-lms/gradus/internal/production"
)

// Overfull says that the journal cannot hold all that a run writes until its
// end: what it has, what closes the site, and what is to come, by id. Met past
// the point of no return, that bound would keep the site closed. "" when all is
// well.
func (s *Scene) Overfull(toCome []string) string {
	ids := map[string]bool{}
	for _, c := range *s.Owner.Journal() {
		ids[c.ID] = true
	}
	for _, id := range s.closers() {
		ids[id] = true
	}
	for _, id := range toCome {
		ids[id] = true
	}
	if len(ids) <= production.JournalBound {
		return ""
	}
	return fmt.Sprintf("%d changes to production would have to be recorded, and a journal holds %d: %d CronJobs that "+
		"work on the site need up to two each, %d workloads three; delete CronJobs, or let one do the work of several",
		len(ids), production.JournalBound, len(s.CronJobs), len(s.Site.Spec.Workloads))
}
