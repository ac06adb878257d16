// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// A copy holds what users wrote, and must leave nothing of it behind.
func TestVolumesOfACopyGoWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*storagev1.StorageClass)
		reason string
		says   string
	}{
		"the class says nothing": {func(*storagev1.StorageClass) {}, "Passed", ""},
		"it deletes":             {func(c *storagev1.StorageClass) { c.ReclaimPolicy = ptr.To(corev1.PersistentVolumeReclaimDelete) }, "Passed", ""},
		"it retains": {func(c *storagev1.StorageClass) { c.ReclaimPolicy = ptr.To(corev1.PersistentVolumeReclaimRetain) },
			"CopiesWouldStay", "Site campus, spec.copies.storageClassName: volumes of StorageClass fast outlive their claims"},
		"it is of another driver": {func(c *storagev1.StorageClass) { c.Provisioner = "nfs.example" },
			"DriverDiffers", "name a class of that driver"},
	} {
		t.Run(name, func(t *testing.T) {
			v := campus(t)
			c.change(v.Sources[DatabaseVolume].Class)
			verdict, ok := Whole(v)
			if ok != (c.reason == "Passed") || ok != (verdict.State == v1alpha1.StepPassed) {
				t.Errorf("whole: %t, %+v", ok, verdict)
			}
			if !ok && (verdict.Reason != c.reason || !strings.Contains(verdict.Message, c.says)) {
				t.Errorf("%+v, want %s %q", verdict, c.reason, c.says)
			}
		})
	}
}
