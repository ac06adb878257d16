// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"slices"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

// cloneVolumes opens the backup's snapshots in the copy's namespace. The
// claim is not awaited: one that waits for its first consumer binds when the
// pod comes.
var cloneVolumes = pipeline.Step[View]{
	Name: "CloneVolumes",
	Each: func(v View) []string {
		var keys []string
		for name := range v.Sources {
			keys = append(keys, name)
		}
		slices.Sort(keys)
		return keys
	},
	Create: func(v View, at pipeline.At) []client.Object {
		clone := v.clone(at)
		claim, err := clone.PersistentVolumeClaim()
		if err != nil {
			return nil
		}
		return []client.Object{clone.AliasContent(), clone.AliasSnapshot(), claim}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		source := v.Sources[at.Key]
		if len(seen.Objects) == 0 {
			return pipeline.Fail("CapacityUnknown", "capacity %q of claim %s cannot be read",
				source.Ref.Capacity, source.Ref.ClaimName)
		}
		if source.Claim != nil && source.Claim.Spec.VolumeMode != nil && source.Content.Spec.SourceVolumeMode != nil &&
			*source.Claim.Spec.VolumeMode != *source.Content.Spec.SourceVolumeMode {
			return pipeline.Fail("VolumeModeDiffers", "claim %s and its snapshot differ in volumeMode", source.Ref.ClaimName)
		}
		snapshot, ok := pipeline.First[*snapshotv1.VolumeSnapshot](seen)
		if !ok || snapshot == nil || snapshot.Status == nil || !ptr.Deref(snapshot.Status.ReadyToUse, false) {
			return pipeline.Wait("CloningVolume", "opening the snapshot of %s%s", at.Key, snapshotSays(snapshot))
		}
		claim, ok := pipeline.First[*corev1.PersistentVolumeClaim](seen)
		if !ok || claim == nil {
			return pipeline.Wait("CloningVolume", "making claim %s", source.Ref.ClaimName)
		}
		return pipeline.Pass("claim %s holds the data of %s", source.Ref.ClaimName, source.Ref.Name)
	},
	Timeout: func(View) time.Duration { return cloneLimit },
}

// cloneLimit ends a clone that goes nowhere: what opens a snapshot is the storage.
const cloneLimit = 2 * time.Hour

// snapshotSays gives what the driver says of a snapshot that is not ready.
func snapshotSays(s *snapshotv1.VolumeSnapshot) string {
	if s == nil || s.Status == nil || s.Status.Error == nil || s.Status.Error.Message == nil {
		return ""
	}
	return ": " + *s.Status.Error.Message
}

func (v View) clone(at pipeline.At) workload.Clone {
	source := v.Sources[at.Key]
	clone := workload.Clone{
		Namespace: v.namespace(), Claim: source.Ref.ClaimName, Name: pipeline.Name(v.Env, "alias", at.Key, 1),
		Ref: source.Ref, Content: source.Content, StorageClass: source.Class.Name,
	}
	if source.Claim != nil {
		clone.AccessModes, clone.VolumeMode = source.Claim.Spec.AccessModes, source.Claim.Spec.VolumeMode
	}
	return clone
}

// claims gives the names of the claims that exist in the copy.
func (v View) claims() []string {
	var names []string
	for _, source := range v.Sources {
		names = append(names, source.Ref.ClaimName)
	}
	slices.Sort(names)
	return names
}

// databaseClaim gives the claim of the database's own volume.
func (v View) databaseClaim() string { return v.Sources[DatabaseVolume].Ref.ClaimName }

// SourcesOf lists what a backup has to be cloned for a site: every volume but
// those to be left out, and the database's own.
func SourcesOf(site *v1alpha1.Site, backup *v1alpha1.SiteBackup) []v1alpha1.BackupCopy {
	wanted := map[string]bool{DatabaseVolume: site.Spec.Database.Clone.Method == v1alpha1.CloneVolumeSnapshot}
	for _, volume := range site.Spec.Volumes {
		wanted[volume.Name] = volume.Clone.Method == v1alpha1.CloneVolumeSnapshot
	}
	var copies []v1alpha1.BackupCopy
	for _, c := range backup.Status.Copies {
		if wanted[c.Volume] && c.Snapshot != nil {
			wanted[c.Volume] = false
			copies = append(copies, c)
		}
	}
	return copies
}
