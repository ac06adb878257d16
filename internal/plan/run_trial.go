// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// defaultKeep is how long a failed trial's copy is kept to look at.
const defaultKeep = 48 * time.Hour

// runTrial rehearses every hop on a copy that is thrown away.
var runTrial = pipeline.Step[View]{
	Name: v1alpha1.StepRunTrial, Needs: after(v1alpha1.StepBackUp), Repeatable: View.mayRepeat,
	Create: func(v View, at pipeline.At) []client.Object {
		if uncopied(v, at) != nil {
			return nil
		}
		keep := v.Plan.Spec.Trial.KeepOnFailure
		if keep == nil {
			keep = &metav1.Duration{Duration: defaultKeep}
		}
		return []client.Object{&v1alpha1.TrialUpgrade{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: v.Plan.Namespace, Name: at.Name("trial"),
				Labels: map[string]string{v1alpha1.PlanUIDLabel: string(v.Plan.UID)},
			},
			Spec: v1alpha1.TrialUpgradeSpec{
				SiteRef: v.Plan.Spec.SiteRef, PlanRef: v.ref(), BackupRef: v1alpha1.LocalRef{Name: v.Plan.Status.Backup},
				Upgrade: v.upgrade(), KeepOnFailure: keep,
			},
		}}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if wait := uncopied(v, at); wait != nil {
			return *wait
		}
		trial, ok := pipeline.First[*v1alpha1.TrialUpgrade](seen)
		if !ok || trial == nil {
			return pipeline.Wait("Rehearsing", "the trial begins")
		}
		_, stalled := over(trial)
		passed, known := condition(trial, v1alpha1.PassedCondition)
		wait := pipeline.InTheWay("trial", trial)
		failed := known && passed.Status == metav1.ConditionFalse
		switch {
		case wait != nil && !failed:
			return *wait
		case isTrue(stalled):
			return pipeline.Fail(stalled.Reason, "trial %s could not be carried out: %s", trial.Name, stalled.Message)
		case known && isTrue(passed):
			return judgePassed(trial)
		case failed:
			return pipeline.Fail("TrialFailed",
				"trial %s failed: %s; mend it, then: %s; if that changes spec.target.releases, %s",
				trial.Name, passed.Message, again(v, v1alpha1.StepRunTrial), anew(v))
		}
		ready, _ := condition(trial, v1alpha1.ReadyCondition)
		return pipeline.Wait("Rehearsing", "trial %s: %s", trial.Name, ready.Message)
	},
	Record: func(v View, at pipeline.At, seen pipeline.Seen) {
		v.Plan.Status.Trial = at.Name("trial")
		trial, ok := pipeline.First[*v1alpha1.TrialUpgrade](seen)
		if !ok || trial == nil {
			return
		}
		if len(trial.Status.Hops) > 0 {
			v.Plan.Status.Hops = mergeHops(v.Plan.Status.Hops, trial.Status.Hops)
		}
		if inventory := v.Plan.Status.Inventory; inventory != nil && trial.Status.CodeVersion != "" {
			others := slices.DeleteFunc(inventory.Versions, func(c v1alpha1.Count) bool { return c.Name == "disk" })
			inventory.Versions = append(others, v1alpha1.Count{Name: "disk", Value: trial.Status.CodeVersion})
		}
	},
}

// judgePassed waits until a trial that passed has been taken away as well.
func judgePassed(trial *v1alpha1.TrialUpgrade) pipeline.Verdict {
	ready, _ := condition(trial, v1alpha1.ReadyCondition)
	if !isTrue(ready) {
		return pipeline.Wait("TearingDown", "trial %s passed; its copy is taken away: %s", trial.Name, ready.Message)
	}
	var took time.Duration
	for _, hop := range trial.Status.Hops {
		if hop.Took != nil {
			took += hop.Took.Duration
		}
	}
	return pipeline.Pass("trial %s passed; its hops took %s", trial.Name, took.Round(time.Second))
}

// mergeHops adds what was measured to the hops of the plan.
func mergeHops(hops, measured []v1alpha1.HopResult) []v1alpha1.HopResult {
	out := append([]v1alpha1.HopResult{}, hops...)
	for i := range out {
		for _, m := range measured {
			if m.To == out[i].To {
				reason := out[i].Reason
				out[i] = m
				out[i].Reason = reason
			}
		}
	}
	return out
}

func list(parts []string) string { return strings.Join(parts, ", ") }
