// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// goesWithItsClaim objects to a volume that goes when somebody deletes its claim, or the
// namespace. One that waits for its first consumer is not known before a Job has used it.
func (v View) goesWithItsClaim(l v1alpha1.BackupLocation) *objection {
	kept := v.Kept[l.Name]
	if kept == nil || kept.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain {
		return nil
	}
	return object("BackupNotKept", "spec.backup.locations[%s].volume.claimName of Site %s: "+
		"PersistentVolume %s of claim %s goes when the claim does (persistentVolumeReclaimPolicy %s); set it to Retain",
		l.Name, v.Site.Name, kept.Name, l.Volume.ClaimName, kept.Spec.PersistentVolumeReclaimPolicy)
}

// unkept holds up a copy that is made until its volume is known, and stays.
func (v View) unkept(places []place, where pipeline.At, now time.Time) *pipeline.Verdict {
	p, ok := at(places, where.Key)
	if !ok {
		return nil
	}
	var wait pipeline.Verdict
	switch no := v.goesWithItsClaim(p.location); {
	case no != nil:
		wait = pipeline.Await(no.reason, "%s", no.message)
	case v.Kept[p.location.Name] == nil:
		wait = pipeline.Wait("LookingAtVolume", "the volume of claim %s is looked at", p.location.Volume.ClaimName)
	default:
		return nil
	}
	wait = wait.By(now.Add(15 * time.Second))
	return &wait
}
