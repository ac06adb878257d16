// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// test judges what staging was seen to do: smoke with sign-in and content,
// figures and files before and after.
var test = pipeline.Step[View]{
	Name: v1alpha1.StepTest, Needs: after(v1alpha1.StepUpgradeStaging), Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		// In the walk in which staging passes the view may hold that of an earlier attempt.
		if v.Staging == nil || v.Staging.Name != v.Plan.Status.Staging {
			return pipeline.Wait("Testing", "waiting for staging")
		}
		var blocking []string
		for _, f := range v.Staging.Status.Findings {
			if f.Severity == v1alpha1.SeverityCritical || f.Severity == v1alpha1.SeverityMajor {
				blocking = append(blocking, f.Component+": "+f.Message)
			}
		}
		if len(blocking) > 0 {
			return pipeline.Fail("TestsFailed", "%s", strings.Join(blocking, "; "))
		}
		before, after := environment.ByName(v.Staging.Status.Before), environment.ByName(v.Staging.Status.After)
		equal, _ := v.Profile.SplitFigures(before)
		if len(equal) == 0 {
			return pipeline.Fail("NothingCompared", "the profile %s names no figures to compare", v.Site.Spec.Profile)
		}
		for _, name := range slices.Sorted(maps.Keys(equal)) { // in order: else the message changes by chance
			if after[name] != equal[name] {
				return pipeline.Fail("FiguresDiffer", "%s was %s before the upgrade and is %s after it",
					name, equal[name], after[name])
			}
		}
		return pipeline.Pass("%s; %d figures and every file as before", smokeOf(v.Staging), len(equal))
	},
	Record: func(v View, _ pipeline.At, _ pipeline.Seen) {
		v.Plan.Status.StagingVerdict = gate.StagingVerdict(v.Staging)
	},
}

// smokeOf tells what the smoke checks of an environment said.
func smokeOf(env *v1alpha1.StagingEnvironment) string {
	for _, s := range env.Status.Steps {
		if s.Name == "Smoke" {
			return fmt.Sprintf("smoke: %s", s.Message)
		}
	}
	return "smoke: none"
}

// configure has nothing to do until settings as code are part of a plan.
var configure = pipeline.Step[View]{
	Name: v1alpha1.StepConfigure, Needs: after(v1alpha1.StepUpgradeStaging),
	Judge: func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
		return pipeline.Skip("NoneAskedFor", "the plan changes no settings; new settings keep the LMS's defaults")
	},
}

// provideTraining has nothing to do until training is part of a plan.
var provideTraining = pipeline.Step[View]{
	Name: v1alpha1.StepProvideTraining, Needs: after(v1alpha1.StepUpgradeStaging),
	Judge: func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
		return pipeline.Skip("NoneAskedFor", "the plan asks for no training")
	},
}
