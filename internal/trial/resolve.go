// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
)

// resolve waits for the backup's proof, and refuses a path that cannot be gone.
var resolve = pipeline.Step[View]{
	Name: "Resolve",
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if broken := brokenPath(v.Trial.Spec.Upgrade); broken != "" {
			return pipeline.Fail("PathBroken", "spec.upgrade: %s", broken)
		}
		backup, upgrade := v.Backup, v.Trial.Spec.Upgrade
		if backup == nil {
			return pipeline.Await("BackupNotFound", "waiting for SiteBackup %s", v.Trial.Spec.BackupRef.Name)
		}
		over := meta.IsStatusConditionTrue(backup.Status.Conditions, v1alpha1.ReadyCondition)
		proven := meta.IsStatusConditionTrue(backup.Status.Conditions, v1alpha1.VerifiedCondition)
		switch {
		case backup.Spec.SiteRef.Name != v.Trial.Spec.SiteRef.Name:
			return pipeline.Fail("OtherSite", "SiteBackup %s is of Site %s, not of %s; name a backup of this site",
				backup.Name, backup.Spec.SiteRef.Name, v.Trial.Spec.SiteRef.Name)
		case over && !proven:
			return pipeline.Fail("BackupNotVerified", "SiteBackup %s is not proven: %s; name a verified one",
				backup.Name, saidOf(backup, v1alpha1.VerifiedCondition))
		case !over || !proven:
			return pipeline.Await("BackupNotVerified", "waiting until SiteBackup %s is verified: %s",
				backup.Name, saidOf(backup, v1alpha1.ReadyCondition))
		case backup.Status.Version != "" && profile.Compare(backup.Status.Version, upgrade.From) != 0:
			return pipeline.Fail("VersionDiffers",
				"SiteBackup %s has version %s and the trial begins at %s; name another backup",
				backup.Name, backup.Status.Version, upgrade.From)
		}
		last := upgrade.Hops[len(upgrade.Hops)-1]
		return pipeline.Pass("from SiteBackup %s, %d hop(s) to %s", backup.Name, len(upgrade.Hops), last.To)
	},
}

// brokenPath says where hops and releases do not fit together.
func brokenPath(u v1alpha1.UpgradeSpec) string {
	if len(u.Hops) == 0 {
		return "hops is empty"
	}
	at := u.From
	for _, hop := range u.Hops {
		if hop.From != at {
			return "the hop to " + hop.To + " begins at " + hop.From + ", not at " + at
		}
		if !slices.ContainsFunc(u.Releases, func(r v1alpha1.Release) bool { return r.Version == hop.To }) {
			return "releases has no entry for version " + hop.To
		}
		at = hop.To
	}
	return ""
}

func saidOf(backup *v1alpha1.SiteBackup, condition string) string {
	c := meta.FindStatusCondition(backup.Status.Conditions, condition)
	if c == nil {
		return "it has not begun"
	}
	return c.Message
}
