// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// makeUpgradePlan writes down what will be done, so that people can read it
// before anything is.
var makeUpgradePlan = pipeline.Step[View]{
	Name: v1alpha1.StepMakeUpgradePlan, Needs: after(v1alpha1.StepEstablishRequirements),
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		return pipeline.Pass("plan digest %s", planDigest(v)[7:15])
	},
	Record: func(v View, _ pipeline.At, _ pipeline.Seen) {
		v.Plan.Status.Digest = planDigest(v)
		v.Plan.Status.ProfileDigest = v.Profile.Digest()
		v.Plan.Status.Releases = v.pinned()
	},
	Documents: func(v View, _ pipeline.At) map[string][]byte {
		return map[string][]byte{"preview.md": preview(v)}
	},
}

// pinned gives what every container would run, by release.
func (v View) pinned() []v1alpha1.PinnedRelease {
	var out []v1alpha1.PinnedRelease
	for _, release := range v.Plan.Spec.Target.Releases {
		pinned := v1alpha1.PinnedRelease{Version: release.Version}
		images := environment.Images(v.Site, v.Plan.Spec.Target.Releases, release.Version)
		for _, name := range sortedNames(images) {
			pinned.Containers = append(pinned.Containers, images[name])
		}
		out = append(out, pinned)
	}
	return out
}

func planDigest(v View) string {
	b, err := json.Marshal(struct {
		Upgrade v1alpha1.UpgradeSpec
		Profile string
		Dropped []v1alpha1.DroppedPlugin
	}{v.upgrade(), v.Profile.Digest(), v.Plan.Spec.Requirements.DropPlugins})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func sortedNames(images map[string]v1alpha1.ContainerImage) []string {
	names := make([]string, 0, len(images))
	for name := range images {
		names = append(names, name)
	}
	return sorted(names)
}

// web gives the live web workload.
func (v View) web() (v1alpha1.Workload, *appsv1.Deployment) {
	for _, w := range v.Site.Spec.Workloads {
		if w.Role == v1alpha1.RoleWeb {
			return w, v.Workloads[w.Name]
		}
	}
	return v1alpha1.Workload{}, nil
}
