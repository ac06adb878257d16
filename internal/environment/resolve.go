// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// resolve waits until everything that the copy is made of is there.
var resolve = pipeline.Step[View]{
	Name: "Resolve",
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		verdict := whole(v)
		if verdict.State != v1alpha1.StepPassed {
			return verdict
		}
		if no := v.otherData(seen.Now); no != nil {
			return *no
		}
		return verdict
	},
}

// otherData objects to data that is not this site's, or of which nobody knows whether it
// is whole. A backup is proven by a Scratch copy of itself, and a trial asks for its own.
func (v View) otherData(now time.Time) *pipeline.Verdict {
	var no pipeline.Verdict
	is := func(condition string) bool { return meta.IsStatusConditionTrue(v.Backup.Status.Conditions, condition) }
	waits := v.purpose() != v1alpha1.PurposeScratch && !is(v1alpha1.VerifiedCondition)
	switch {
	case v.Backup.Spec.SiteRef != v.Env.Spec.SiteRef:
		no = pipeline.Fail("OtherSite", "spec.backupRef: SiteBackup %s is of Site %s, not of %s; name a backup of this site",
			v.Backup.Name, v.Backup.Spec.SiteRef.Name, v.Env.Spec.SiteRef.Name)
	case waits && is(v1alpha1.ReadyCondition):
		no = pipeline.Fail("BackupNotVerified", "spec.backupRef: SiteBackup %s is not proven, and over; "+
			"make a StagingEnvironment of a verified one", v.Backup.Name)
	case waits:
		no = pipeline.Await("BackupNotVerified", "spec.backupRef: waiting until SiteBackup %s is verified; "+
			"one that stalls is to be mended and retried first, or this StagingEnvironment made of another%s",
			v.Backup.Name, saysOf(v.Backup)).By(now.Add(15 * time.Second))
	default:
		return nil
	}
	return &no
}

// saysOf gives what a backup says of itself.
func saysOf(backup *v1alpha1.SiteBackup) string {
	if ready := meta.FindStatusCondition(backup.Status.Conditions, v1alpha1.ReadyCondition); ready != nil {
		return "; it says: " + ready.Message
	}
	return ""
}

// Whole says whether everything is there that the steps decide from. While it
// is not, no step may be walked: the verdict says what is awaited.
func Whole(v View) (pipeline.Verdict, bool) {
	verdict := whole(v)
	return verdict, verdict.State == v1alpha1.StepPassed
}

// forgets objects to a class whose volumes would stay when the copy goes, with
// users' data on them, or that cannot open the snapshot.
func forgets(site *v1alpha1.Site, volume string, source Source) *pipeline.Verdict {
	class := source.Class
	var no pipeline.Verdict
	switch {
	case ptr.Deref(class.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete) != corev1.PersistentVolumeReclaimDelete:
		no = pipeline.Await("CopiesWouldStay", "Site %s, spec.copies.storageClassName: volumes of StorageClass %s outlive "+
			"their claims (reclaimPolicy %s), and a copy of volume %s would too; name a class of driver %s "+
			"with reclaimPolicy Delete",
			site.Name, class.Name, *class.ReclaimPolicy, volume, source.Content.Spec.Driver)
	case class.Provisioner != source.Content.Spec.Driver:
		no = pipeline.Await("DriverDiffers", "Site %s, spec.copies.storageClassName: StorageClass %s is of driver %s, "+
			"the snapshot of volume %s of driver %s; name a class of that driver",
			site.Name, class.Name, class.Provisioner, volume, source.Content.Spec.Driver)
	default:
		return nil
	}
	return &no
}

// What is said around the parts that a site lacks: that they may appear, and what a person can do.
const waits, mend = "waiting for ", "; create what is not there, or name another in the Site"

// Lacks says what of a site was not found.
func Lacks(missing []string) pipeline.Verdict {
	return pipeline.Await(v1alpha1.SiteNotReadyReason, waits+"%s"+mend, strings.Join(missing, ", "))
}

// Lacking gives back what Lacks was given, in one piece.
func Lacking(message string) string {
	return strings.TrimSuffix(strings.TrimPrefix(message, waits), mend)
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
		return Lacks(v.Missing)
	}
	for _, volume := range slices.Sorted(maps.Keys(v.Sources)) {
		if no := forgets(v.Site, volume, v.Sources[volume]); no != nil {
			return *no
		}
	}
	return pipeline.Pass("the copy is made from backup %s", v.Backup.Name)
}
