// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// rehearse upgrades a copy. A copy that breaks in a hop, in its verification
// or under the smoke checks is a verdict: as a trial it went well.
var rehearse = pipeline.Step[View]{
	Name:        "Rehearse",
	AgainIfLost: true,
	Create: func(v View, at pipeline.At) []client.Object {
		return []client.Object{copyFor(v.Trial, at.Attempt)}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		return judge(v, seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		env, _ := pipeline.First[*v1alpha1.StagingEnvironment](seen)
		if env == nil {
			return
		}
		v.Trial.Status.Environment = env.Name
		if judge(v, seen).State == v1alpha1.StepPassed {
			record(v.Trial, env, seen.Now)
		}
	},
}

func environmentName(t *v1alpha1.TrialUpgrade, attempt int32) string {
	return pipeline.Name(t, "trial", "", attempt)
}

func copyFor(t *v1alpha1.TrialUpgrade, attempt int32) *v1alpha1.StagingEnvironment {
	return &v1alpha1.StagingEnvironment{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.Namespace, Name: environmentName(t, attempt)},
		Spec: v1alpha1.StagingEnvironmentSpec{
			SiteRef: t.Spec.SiteRef, Purpose: v1alpha1.PurposeTrial, PlanRef: t.Spec.PlanRef,
			BackupRef: t.Spec.BackupRef, Upgrade: t.Spec.Upgrade.DeepCopy(),
		},
	}
}

func judge(v View, seen pipeline.Seen) pipeline.Verdict {
	env, ok := pipeline.First[*v1alpha1.StagingEnvironment](seen)
	if !ok || env == nil {
		return pipeline.Wait("Rehearsing", "making the copy")
	}
	if env.DeletionTimestamp != nil {
		return pipeline.Fail("CopyGone", "StagingEnvironment %s was deleted before the trial had a verdict", env.Name)
	}
	ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ReadyCondition)
	stalled := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.StalledCondition)
	wait := pipeline.InTheWay("StagingEnvironment", env)
	switch {
	case wait != nil:
		return *wait
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return pipeline.Pass("%d hop(s) to %s passed", len(v.Trial.Spec.Upgrade.Hops), env.Status.Version)
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		failed, ok := breakage(v.Trial.Spec.Upgrade, env)
		if !ok {
			return pipeline.Fail(stalled.Reason, "the trial could not be carried out: %s", stalled.Message)
		}
		verdict := pipeline.Pass("%s", failed.message)
		verdict.Reason = failed.reason
		return verdict
	case ready != nil:
		return pipeline.Wait("Rehearsing", "StagingEnvironment %s: %s", env.Name, ready.Message)
	}
	return pipeline.Wait("Rehearsing", "StagingEnvironment %s starts", env.Name)
}
