// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// resolve waits for what may appear, and refuses what would not make a backup.
// Mending the Site is enough: it is judged anew.
var resolve = pipeline.Step[View]{
	Name:       "Resolve",
	Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if lost, ok := Lost(v); ok {
			return lost
		}
		for _, check := range []func(View) *objection{
			knownLocations, twoDomains, serverOfItsOwn, claimsFit, targetsFit, snapshotsFit, notTooMany,
		} {
			if o := check(v); o != nil {
				return pipeline.Fail(o.reason, "%s", o.message)
			}
		}
		return pipeline.Pass("%d copies in %s", len(v.all()), strings.Join(v.locationNames(), ", "))
	},
}

// Lost says what a backup waits for: things of the site that are not there,
// or not there any more. Nothing is made until they are back.
func Lost(v View) (pipeline.Verdict, bool) {
	switch {
	case v.Site == nil:
		return pipeline.Await(v1alpha1.SiteNotFoundReason, "waiting for Site %s", v.Backup.Spec.SiteRef.Name), true
	case v.Profile == nil:
		return pipeline.Fail("ProfileUnknown", "spec.profile of Site %s: %q is not a profile that this version of Gradus has",
			v.Site.Name, v.Site.Spec.Profile), true
	case len(v.Missing) > 0:
		return pipeline.Await(v1alpha1.SiteNotReadyReason, "waiting for %s", strings.Join(v.Missing, ", ")), true
	}
	return pipeline.Verdict{}, false
}

// Begun says whether things of the site are needed already.
func Begun(b *v1alpha1.SiteBackup) bool {
	for _, entry := range b.Status.Steps {
		if entry.Name == resolve.Name {
			return entry.State == v1alpha1.StepPassed
		}
	}
	return false
}

// objection is why no backup is begun, with the field and how to mend it.
type objection struct{ reason, message string }

func object(reason, format string, a ...any) *objection {
	return &objection{reason: reason, message: fmt.Sprintf(format, a...)}
}

// all gives every copy that the backup will have.
func (v View) all() []place {
	return slices.Concat(v.databasePlaces(isVolume), v.databasePlaces(isSnapshot),
		v.filePlaces(isSnapshot), v.filePlaces(isVolume))
}

func (v View) locationNames() []string {
	var names []string
	for _, l := range v.locations() {
		names = append(names, l.Name)
	}
	return names
}

func knownLocations(v View) *objection {
	known := v.locationNames()
	for _, name := range v.Backup.Spec.Locations {
		if !slices.Contains(known, name) {
			return object("LocationUnknown", "spec.locations: Site %s has no backup location %s", v.Site.Name, name)
		}
	}
	return nil
}

// twoDomains: whatever fails as one must not take both copies of anything.
func twoDomains(v View) *objection {
	domains := map[v1alpha1.BackupContent]map[string]bool{v1alpha1.HoldsDatabase: {}, v1alpha1.HoldsFiles: {}}
	for _, l := range v.locations() {
		for _, content := range l.Holds {
			domains[content][l.FailureDomain] = true
		}
	}
	for _, content := range []v1alpha1.BackupContent{v1alpha1.HoldsDatabase, v1alpha1.HoldsFiles} {
		if content == v1alpha1.HoldsFiles && len(v.Site.Spec.Volumes) == 0 {
			continue
		}
		if len(domains[content]) < 2 {
			return object("OneFailureDomain", "spec.backup.locations of Site %s: %s would be kept in %d failure domain(s), "+
				"and one failure must not take every copy; add %s to holds of a location with another failureDomain",
				v.Site.Name, content, len(domains[content]), content)
		}
	}
	return nil
}

func serverOfItsOwn(v View) *objection {
	if v.Database == nil {
		return object("DatabaseElsewhere",
			"spec.database of Site %s: this version backs up a server of workloadRef only", v.Site.Name)
	}
	if n := len(v.Database.Spec.VolumeClaimTemplates); n != 1 {
		return object("ClaimTemplates", "StatefulSet %s has %d volumeClaimTemplates; "+
			"the database's data must lie on exactly one", v.Database.Name, n)
	}
	policy := v.Database.Spec.PersistentVolumeClaimRetentionPolicy
	if policy != nil && policy.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
		return object("ScalingDeletesData",
			"StatefulSet %s, spec.persistentVolumeClaimRetentionPolicy.whenScaled is Delete: "+
				"closing the site would delete the database; set it to Retain", v.Database.Name)
	}
	return nil
}

// claimsFit: the size of a clone comes from what the live volume has, not from
// what was once asked for.
func claimsFit(v View) *objection {
	for _, p := range v.all() {
		claim := v.Claims[p.volume]
		if claim == nil || claim.Status.Phase != corev1.ClaimBound || claim.Status.Capacity.Storage().IsZero() {
			return object("ClaimNotBound", "the claim of volume %s is not bound to a volume of known size", p.volume)
		}
		if isVolume(p.location) && p.volume != database && slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteOncePod) {
			return object("ClaimExclusive", "claim %s has access mode ReadWriteOncePod: its files cannot be copied "+
				"to location %s while the site is open; use a location with volumeSnapshot", claim.Name, p.location.Name)
		}
	}
	return nil
}

// writable begins the names of the claims that Gradus may write to in the
// namespace of a site: an admission policy sees to that.
const writable = "gradus-"

func targetsFit(v View) *objection {
	for _, l := range v.locations() {
		if !isVolume(l) {
			continue
		}
		name := l.Volume.ClaimName
		for volume, live := range v.Claims {
			if live.Name == name {
				return object("BackupOnLiveVolume", "spec.backup.locations[%s].volume.claimName of Site %s "+
					"is the claim of volume %s itself", l.Name, v.Site.Name, volume)
			}
		}
		if !strings.HasPrefix(name, writable) {
			return object("BackupClaimName", "spec.backup.locations[%s].volume.claimName of Site %s: "+
				"the name %s must begin with %s; Gradus may write to no other claim beside a live site",
				l.Name, v.Site.Name, name, writable)
		}
		if no := v.goesWithItsClaim(l); no != nil {
			return no
		}
	}
	return nil
}

// snapshotsFit: a class and a volume of different drivers fail late, in the driver.
func snapshotsFit(v View) *objection {
	for _, p := range slices.Concat(v.databasePlaces(isSnapshot), v.filePlaces(isSnapshot)) {
		claim, class, volume := v.Claims[p.volume], v.Classes[p.location.Name], v.Volumes[p.volume]
		switch {
		case claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "":
			return object("NoStorageClass", "claim %s has no storageClassName, "+
				"so that nothing can be cloned from its snapshot", claim.Name)
		case volume == nil || volume.Spec.CSI == nil:
			return object("NoSnapshots", "the volume of claim %s has no CSI driver that could take a snapshot; "+
				"keep it in a location with volume", claim.Name)
		case class != nil && class.Driver != volume.Spec.CSI.Driver:
			return object("DriverDiffers", "spec.backup.locations[%s].volumeSnapshot.className of Site %s: "+
				"class %s is of driver %s, claim %s of driver %s",
				p.location.Name, v.Site.Name, class.Name, class.Driver, claim.Name, volume.Spec.CSI.Driver)
		}
	}
	return nil
}

// notTooMany: status has room for 64 entries, and some steps come besides.
func notTooMany(v View) *objection {
	const most = 48
	if n := len(v.all()); n > most {
		return object("TooManyCopies", "spec.backup.locations of Site %s make %d copies, at most %d are possible; "+
			"name fewer in spec.locations", v.Site.Name, n, most)
	}
	return nil
}
