// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// proofs names the steps whose verdicts are of the plan's releases. They begin anew
// with step 4 when those were edited; the backup as well, for its gate says who lets which
// images at personal data. Not while a go-live of the plan is there: it carries its own
// releases, and must be followed.
func proofs(v View) []string {
	if v.ordered() {
		return nil
	}
	return []string{
		v1alpha1.StepMakeUpgradePlan, v1alpha1.StepMakeRolloutPlan, v1alpha1.StepBackUp, v1alpha1.StepRunTrial,
		v1alpha1.StepUpgradeStaging, v1alpha1.StepTest, v1alpha1.StepConfigure, v1alpha1.StepPrepareDocumentation,
		v1alpha1.StepProvideTraining, v1alpha1.StepPrepareInfrastructure,
	}
}

// ordered says whether the plan has a go-live that is not to be made anew.
func (v View) ordered() bool {
	if run := v.GoLive; run != nil && !failedForGood(run) && !gaveWay(run) {
		return true
	}
	return v.GoLive == nil && v.Plan.Status.GoLive != "" ||
		slices.ContainsFunc(v.Plan.Status.Steps, func(e v1alpha1.StepStatus) bool {
			return e.Name == v1alpha1.StepGoLive && len(e.Children) > 0 && e.State != v1alpha1.StepFailed
		})
}

// mayRepeat says whether steps that passed may be run again. A backup that is made while the
// site is being closed is a session that the go-live waits for, and another trial is not the
// one that people agreed to.
func (v View) mayRepeat() bool { return !v.ordered() }

// repeating says that a step which people let run again is not done: what it makes may be
// what go-live waits for, and what it finds may be what nobody agreed to.
func repeating(v View) *pipeline.Verdict {
	for _, e := range v.Plan.Status.Steps {
		if e.Name != v1alpha1.StepBackUp && e.Name != v1alpha1.StepRunTrial || e.Attempt < 2 {
			continue
		}
		var wait pipeline.Verdict
		switch e.State {
		case v1alpha1.StepPassed, v1alpha1.StepSkipped:
			continue
		case v1alpha1.StepFailed:
			wait = pipeline.Await("Repeating", "%s was run again and failed; mend it, then: %s; it said: %s",
				e.Name, again(v, e.Name), e.Message)
		case v1alpha1.StepWaiting: // whoever is waited for there is told there
			wait = pipeline.Await("Repeating", "%s was run again and waits: %s", e.Name, e.Message)
		default:
			wait = pipeline.Wait("Repeating", "%s runs again; go-live begins when it has passed", e.Name)
		}
		return &wait
	}
	return nil
}

// unrehearsed says what people are not to be asked about: an upgrade that no trial and
// no staging has seen, with the command that mends it; "" when both have.
func unrehearsed(v View) string {
	what := order.Unrehearsed(v.upgrade(), v.Trial, v.Staging)
	if what == "" {
		what = v.strayed() // whatever copies are gone
	}
	switch {
	case what == "":
		return ""
	case v.Trial != nil && !gate.TrialPassed(v.Trial):
		return what + "; mend it, then: " + again(v, v1alpha1.StepRunTrial)
	case v.ordered():
		return what + "; go-live " + v.Plan.Status.GoLive + " carries its own: put spec.target back"
	}
	return what + "; put it back, or " + anew(v)
}

// strayed says that the plan's images are not those that step 5 wrote down; "" when they are.
func (v View) strayed() string {
	was := v.Plan.Status.Releases
	if !settledWell(v.Plan, v1alpha1.StepMakeUpgradePlan) || equality.Semantic.DeepEqual(was, v.pinned()) {
		return ""
	}
	return fmt.Sprintf("spec.target.releases is not what step 5 wrote down (for spec.workloads of Site %s)",
		v.Plan.Spec.SiteRef.Name)
}

// anew is how the steps that rest on the releases are run again.
func anew(v View) string {
	return "run the steps from 4 on again: " + again(v, v1alpha1.StepEstablishRequirements)
}

// uncopied keeps images away from personal data that gate CopyData was not asked about. A
// copy that is made already goes on.
func uncopied(v View, at pipeline.At) *pipeline.Verdict {
	what := v.strayed()
	if what == "" || len(at.Entry.Children) > 0 {
		return nil
	}
	wait := pipeline.Await("NotTheReleases", "%s, and no copy of the site's data is for other images; put it back, or %s",
		what, anew(v))
	return &wait
}
