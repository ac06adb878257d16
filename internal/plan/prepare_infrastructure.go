// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// prepareInfrastructure says what go-live will scale. Go-live does it, by
// recorded changes; nothing of production is written here.
var prepareInfrastructure = pipeline.Step[View]{
	Name: v1alpha1.StepPrepareInfrastructure, Needs: after(v1alpha1.StepUpgradeStaging), Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		scale := v.Plan.Spec.Infrastructure.Scale
		if len(scale) == 0 {
			return pipeline.Skip("NoneAskedFor", "the plan scales nothing")
		}
		var parts []string
		for _, s := range scale {
			d := v.Workloads[s.Workload]
			if d == nil {
				return pipeline.Fail("WorkloadUnknown", "spec.infrastructure.scale: Site %s has no workload %s", v.Site.Name, s.Workload)
			}
			now := int32(1)
			if d.Spec.Replicas != nil {
				now = *d.Spec.Replicas
			}
			parts = append(parts, fmt.Sprintf("%s %d to %d", s.Workload, now, s.Replicas))
		}
		return pipeline.Pass("go-live scales %s, and support puts it back", strings.Join(parts, ", "))
	},
}
