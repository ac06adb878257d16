// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"fmt"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Proof says whether the database and every volume have two proven copies in
// two failure domains: the verdict of a backup.
func Proof(site *v1alpha1.Site, b *v1alpha1.SiteBackup) (proven bool, reason, message string) {
	var lacking, optional []string
	parts := []string{database}
	for _, volume := range site.Spec.Volumes {
		if volume.Clone.Method == v1alpha1.CloneOmit {
			optional = append(optional, volume.Name)
		} else {
			parts = append(parts, volume.Name)
		}
	}
	copies := 0
	for _, part := range parts {
		domains := map[string]bool{}
		for _, c := range b.Status.Copies {
			if c.Volume == part && c.Verified != nil {
				domains[c.FailureDomain] = true
				copies++
			}
		}
		if len(domains) < 2 {
			lacking = append(lacking, fmt.Sprintf("%s in %d of 2", part, len(domains)))
		}
	}
	if len(lacking) > 0 {
		return false, "NotProvenTwice", "proven failure domains: " + strings.Join(lacking, ", ")
	}
	message = fmt.Sprintf("%d copies restored or hashed again, and compared", copies)
	if len(optional) > 0 {
		message += "; copied, and not needed for the proof as clone.method is Omit: " + strings.Join(optional, ", ")
	}
	return true, "RestoredAndCompared", message
}
