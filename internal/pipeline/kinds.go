// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var snapshots = schema.GroupVersion{Group: "snapshot.storage.k8s.io", Version: "v1"}

// kinds that Gradus makes and may therefore remove. The list is closed.
var kinds = map[string]schema.GroupVersion{
	"Job":                   {Group: "batch", Version: "v1"},
	"Deployment":            {Group: "apps", Version: "v1"},
	"StatefulSet":           {Group: "apps", Version: "v1"},
	"Service":               {Version: "v1"},
	"Namespace":             {Version: "v1"},
	"PersistentVolumeClaim": {Version: "v1"},
	"ServiceAccount":        {Version: "v1"},
	"Role":                  {Group: "rbac.authorization.k8s.io", Version: "v1"},
	"RoleBinding":           {Group: "rbac.authorization.k8s.io", Version: "v1"},
	"VolumeSnapshot":        snapshots,
	"VolumeSnapshotContent": snapshots,
	"StagingEnvironment":    v1alpha1.GroupVersion,
	"TrialUpgrade":          v1alpha1.GroupVersion,
}
