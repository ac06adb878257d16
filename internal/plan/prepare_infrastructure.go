// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// prepareInfrastructure refuses what go-live cannot do yet, rather than let
// people believe in capacity that never comes.
var prepareInfrastructure = pipeline.Step[View]{
	Name: v1alpha1.StepPrepareInfrastructure, Needs: after(v1alpha1.StepUpgradeStaging), Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if len(v.Plan.Spec.Infrastructure.Scale) > 0 {
			return pipeline.Fail("ScaleNotAvailable", "spec.infrastructure.scale: "+
				"go-live of this version does not scale workloads; take the field out, and scale by hand if the site needs it")
		}
		return pipeline.Skip("NoneAskedFor", "the plan scales nothing")
	},
}
