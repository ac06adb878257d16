// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package backup makes one consistent set of copies of a site in at least two
// failure domains, and proves each copy by restoring it or by hashing it again.
package backup

import (
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
)

// View is what the steps of a backup decide from.
type View struct {
	Backup  *v1alpha1.SiteBackup
	Site    *v1alpha1.Site
	Profile *profile.Profile
	// Workloads of the live site, by the Site's name for them.
	Workloads map[string]*appsv1.Deployment
	// Database server of the live site; nil where it runs elsewhere.
	Database *appsv1.StatefulSet
	// Claims of the live site by volume; the database's own as DatabaseVolume.
	Claims map[string]*corev1.PersistentVolumeClaim
	// Volumes to which the live claims are bound, by the same names.
	Volumes map[string]*corev1.PersistentVolume
	// Targets are the claims of volume locations, by location.
	Targets map[string]*corev1.PersistentVolumeClaim
	// Kept are the volumes to which those are bound, by location.
	Kept map[string]*corev1.PersistentVolume
	// Classes of snapshot locations, by location.
	Classes map[string]*snapshotv1.VolumeSnapshotClass
	// Contents that this backup's snapshots are bound to, by name.
	Contents map[string]*snapshotv1.VolumeSnapshotContent
	// Environments that this backup made, found by its UID.
	Environments []v1alpha1.StagingEnvironment
	// Stored are the copies that the API server has: what others can read.
	Stored []v1alpha1.BackupCopy
	// Missing names what the backup needs and was not found; it may appear.
	Missing []string
	// Install is how this operator is installed.
	Install environment.Install
}

// database is the name of the database's own volume.
const database = environment.DatabaseVolume

// place is where one copy goes: a volume of the site, or its database, in a location.
type place struct {
	key      string
	location v1alpha1.BackupLocation
	volume   string
}

// locations that this backup uses: those that it names, else all of the Site.
func (v View) locations() []v1alpha1.BackupLocation {
	names := v.Backup.Spec.Locations
	return slices.DeleteFunc(slices.Clone(v.Site.Spec.Backup.Locations), func(l v1alpha1.BackupLocation) bool {
		return len(names) > 0 && !slices.Contains(names, l.Name)
	})
}

// isSnapshot and isVolume tell the two kinds of locations apart.
func isSnapshot(l v1alpha1.BackupLocation) bool { return l.VolumeSnapshot != nil }
func isVolume(l v1alpha1.BackupLocation) bool   { return l.Volume != nil }

// databasePlaces gives one place for each location of a kind that holds the database.
func (v View) databasePlaces(kind func(v1alpha1.BackupLocation) bool) []place {
	var places []place
	for _, l := range v.locations() {
		if kind(l) && slices.Contains(l.Holds, v1alpha1.HoldsDatabase) {
			places = append(places, place{key: l.Name, location: l, volume: database})
		}
	}
	return places
}

// filePlaces gives one place for each volume in each location of a kind that holds files.
func (v View) filePlaces(kind func(v1alpha1.BackupLocation) bool) []place {
	var places []place
	for _, l := range v.locations() {
		if !kind(l) || !slices.Contains(l.Holds, v1alpha1.HoldsFiles) {
			continue
		}
		for _, volume := range v.Site.Spec.Volumes {
			places = append(places, place{key: keyOf(l.Name, volume.Name), location: l, volume: volume.Name})
		}
	}
	return places
}

// keyOf names a place in the ledger, whose keys have a bound.
func keyOf(location, volume string) string {
	return pipeline.Key(location + "." + volume)
}

func keys(places []place) []string {
	var out []string
	for _, p := range places {
		out = append(out, p.key)
	}
	return out
}

// at finds the place of a ledger's key. The Site may have changed since the
// keys were fixed: a place that is gone is none.
func at(places []place, key string) (place, bool) {
	i := slices.IndexFunc(places, func(p place) bool { return p.key == key })
	if i < 0 {
		return place{}, false
	}
	return places[i], true
}

// name gives the deterministic name of a child of this backup.
func (v View) name(at pipeline.At, what string) string {
	return pipeline.Name(v.Backup, what, at.Key, at.Attempt)
}

// put records a copy, in the place of an earlier attempt's.
func (v View) put(c v1alpha1.BackupCopy) {
	status := &v.Backup.Status
	i := slices.IndexFunc(status.Copies, func(o v1alpha1.BackupCopy) bool {
		return o.Location == c.Location && o.Volume == c.Volume
	})
	if i < 0 {
		status.Copies = append(status.Copies, c)
	} else {
		status.Copies[i] = c
	}
	status.Taken = nil
	for _, c := range status.Copies {
		if taken := c.Taken; status.Taken == nil || taken.Before(status.Taken) {
			status.Taken = &taken
		}
	}
}

// copyAt finds the recorded copy of a place.
func copyAt(copies []v1alpha1.BackupCopy, p place) *v1alpha1.BackupCopy {
	i := slices.IndexFunc(copies, func(c v1alpha1.BackupCopy) bool {
		return c.Location == p.location.Name && c.Volume == p.volume
	})
	if i < 0 {
		return nil
	}
	return &copies[i]
}

// begin gives what every copy of a place says.
func (p place) begin() v1alpha1.BackupCopy {
	holds := v1alpha1.HoldsFiles
	if p.volume == database {
		holds = v1alpha1.HoldsDatabase
	}
	return v1alpha1.BackupCopy{
		Location: p.location.Name, FailureDomain: p.location.FailureDomain, Holds: holds, Volume: p.volume,
	}
}
