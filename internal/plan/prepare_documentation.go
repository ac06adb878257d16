// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// prepareDocumentation writes the runbook: what to do by hand, if Gradus is
// not there to do it.
var prepareDocumentation = pipeline.Step[View]{
	Name: v1alpha1.StepPrepareDocumentation, Needs: after(v1alpha1.StepUpgradeStaging, v1alpha1.StepMakeRolloutPlan),
	Judge: func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
		return pipeline.Pass("the runbook is written (runbook.md)")
	},
	Documents: func(v View, _ pipeline.At) map[string][]byte {
		return map[string][]byte{"runbook.md": runbook(v)}
	},
}
