// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// resolve waits until everything that the copy is made of is there.
var resolve = pipeline.Step[View]{
	Name:  "Resolve",
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict { return whole(v) },
}

// Whole says whether everything is there that the steps decide from. While it
// is not, no step may be walked: the verdict says what is awaited.
func Whole(v View) (pipeline.Verdict, bool) {
	verdict := whole(v)
	return verdict, verdict.State == v1alpha1.StepPassed
}

func whole(v View) pipeline.Verdict {
	switch {
	case v.Site == nil:
		return pipeline.Await(v1alpha1.SiteNotFoundReason, "waiting for Site %s", v.Env.Spec.SiteRef.Name)
	case v.Backup == nil:
		return pipeline.Await("BackupNotFound", "waiting for SiteBackup %s", v.Env.Spec.BackupRef.Name)
	case v.Profile == nil:
		return pipeline.Fail("ProfileUnknown", "spec.profile of Site %s: %q is not a profile that this version of Gradus has",
			v.Site.Name, v.Site.Spec.Profile)
	case v.Site.Spec.Database.Clone.Method != v1alpha1.CloneVolumeSnapshot:
		return pipeline.Fail("CloneMethodNotAvailable", "Site %s, spec.database.clone.method: "+
			"this version of Gradus makes copies by VolumeSnapshot only, of a server in the site's namespace "+
			"(spec.database.workloadRef)", v.Site.Name)
	case len(v.Missing) > 0:
		return pipeline.Await(v1alpha1.SiteNotReadyReason, "waiting for %s", strings.Join(v.Missing, ", "))
	}
	return pipeline.Pass("the copy is made from backup %s", v.Backup.Name)
}
