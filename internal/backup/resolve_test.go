// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

type resolveCase struct {
	change func(*View)
	state  v1alpha1.StepState
	reason string
	says   string
}

// resolveCases are sites, and whether a backup can be made of them.
var resolveCases = map[string]resolveCase{
	"a site with two failure domains": {nil, v1alpha1.StepPassed, "Passed", "4 copies in snapshots, vault"},
	"no Site yet": {
		func(v *View) { v.Site = nil }, v1alpha1.StepWaiting, v1alpha1.SiteNotFoundReason, "Site campus"},
	"a profile of another version": {
		func(v *View) { v.Profile = nil }, v1alpha1.StepFailed, "ProfileUnknown", "spec.profile"},
	"something that the Site names is missing": {
		func(v *View) { v.Missing = []string{"PersistentVolumeClaim campus-files"} },
		v1alpha1.StepWaiting, v1alpha1.SiteNotReadyReason, "campus-files"},
	"a location that the Site does not have": {
		func(v *View) { v.Backup.Spec.Locations = []string{"vault", "moon"} }, v1alpha1.StepFailed, "LocationUnknown", "moon"},
	"one location alone": {
		func(v *View) { v.Backup.Spec.Locations = []string{"vault"} },
		v1alpha1.StepFailed, "OneFailureDomain", "spec.backup.locations of Site campus: Database would be kept in 1"},
	"two locations that fail as one": {
		func(v *View) { v.Site.Spec.Backup.Locations[1].FailureDomain = "storage" },
		v1alpha1.StepFailed, "OneFailureDomain", "another failureDomain"},
	"two domains, the database in one only": {
		func(v *View) { v.Site.Spec.Backup.Locations[0].Holds = []v1alpha1.BackupContent{v1alpha1.HoldsFiles} },
		v1alpha1.StepFailed, "OneFailureDomain", "add Database to holds"},
	"two domains, the files in one only": {
		func(v *View) {
			v.Site.Spec.Backup.Locations[1].Holds = []v1alpha1.BackupContent{v1alpha1.HoldsDatabase}
		},
		v1alpha1.StepFailed, "OneFailureDomain", "add Files to holds"},
	"a volume that goes when its claim does": {
		func(v *View) {
			v.Kept["vault"] = &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete}}
		}, v1alpha1.StepFailed, "BackupNotKept", "set it to Retain"},
	"a database elsewhere": {func(v *View) { v.Database = nil }, v1alpha1.StepFailed, "DatabaseElsewhere", "workloadRef"},
	"a server with two volumes": {
		func(v *View) {
			v.Database.Spec.VolumeClaimTemplates = make([]corev1.PersistentVolumeClaim, 2)
		}, v1alpha1.StepFailed, "ClaimTemplates", "2 volumeClaimTemplates"},
	"a server whose data goes when it is scaled": {
		func(v *View) {
			v.Database.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenScaled: appsv1.DeletePersistentVolumeClaimRetentionPolicyType}
		}, v1alpha1.StepFailed, "ScalingDeletesData", "persistentVolumeClaimRetentionPolicy.whenScaled is Delete"},
	"a server whose data stays": {
		func(v *View) {
			v.Database.Spec.PersistentVolumeClaimRetentionPolicy = &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
				WhenDeleted: appsv1.DeletePersistentVolumeClaimRetentionPolicyType}
		}, v1alpha1.StepPassed, "Passed", ""},
	"a claim without a volume": {
		func(v *View) { v.Claims["files"].Status = corev1.PersistentVolumeClaimStatus{} },
		v1alpha1.StepFailed, "ClaimNotBound", "files"},
	"files that one pod has for itself": {
		func(v *View) {
			v.Claims["files"].Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
		}, v1alpha1.StepFailed, "ClaimExclusive", "campus-files"},
	"a backup claim that Gradus may not write": {
		func(v *View) { v.Site.Spec.Backup.Locations[1].Volume.ClaimName = "vault" },
		v1alpha1.StepFailed, "BackupClaimName", "must begin with gradus-"},
	"a backup onto the live volume": {
		func(v *View) { v.Site.Spec.Backup.Locations[1].Volume.ClaimName = "campus-files" },
		v1alpha1.StepFailed, "BackupOnLiveVolume", "volume files itself"},
	"a claim without a class": {
		func(v *View) { v.Claims["database"].Spec.StorageClassName = nil }, v1alpha1.StepFailed, "NoStorageClass", "data-campus-db-0"},
	"a volume that cannot be snapshot": {
		func(v *View) { v.Volumes["files"].Spec.CSI = nil }, v1alpha1.StepFailed, "NoSnapshots", "campus-files"},
	"a class of another driver": {
		func(v *View) { v.Classes["snapshots"].Driver = "csi.other.example" },
		v1alpha1.StepFailed, "DriverDiffers", "csi.other.example"},
}

func TestResolve(t *testing.T) {
	for name, c := range resolveCases {
		t.Run(name, func(t *testing.T) {
			v := campus(t)
			if c.change != nil {
				c.change(&v)
			}
			got := resolve.Judge(v, key(""), pipeline.Seen{Now: noon})
			if got.State != c.state || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s %s: %s", got.State, got.Reason, got.Message)
			}
		})
	}
}

func TestPlacesOfManyVolumesFitTheLedger(t *testing.T) {
	long := strings.Repeat("n", 40)
	v := campus(t, func(v *View) {
		v.Site.Spec.Backup.Locations[1].Name = long
		v.Site.Spec.Volumes = append(v.Site.Spec.Volumes, v1alpha1.SiteVolume{Name: long, ClaimName: "more"},
			v1alpha1.SiteVolume{Name: long[:39], ClaimName: "and-more"})
	})
	seen := map[string]bool{}
	for _, k := range keys(v.filePlaces(isVolume)) {
		if len(k) > 63 || seen[k] {
			t.Errorf("key %q is too long or there twice", k)
		}
		seen[k] = true
		if p, ok := at(v.filePlaces(isVolume), k); !ok || p.key != k {
			t.Errorf("key %q leads to no place", k)
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d places, want 3", len(seen))
	}
}
