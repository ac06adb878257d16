// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

type metav1Condition = metav1.Condition

// Steps of a plan: the 18, in order. To add a 19th, write its file and add
// its line.
var Steps = []pipeline.Step[View]{
	engageStakeholders,    // who is told what
	planChangeControl,     // who must agree
	reviewSite,            // what is there, read-only
	establishRequirements, // the path, and what stands against it
	makeUpgradePlan,       // what will be done, with a digest
	makeRolloutPlan,       // when, and whether it fits; needs a trial's times
	backUp,                // twice, proven by restoring
	runTrial,              // on a copy that is thrown away
	upgradeStaging,        // on a copy that stays
	test,
	configure,
	prepareDocumentation,
	provideTraining,
	prepareInfrastructure,
	goLive, // gates, window, and the order to gradus-production
	support,
	review,
	celebrate,
}

// after says what a step needs; the plan's steps 10 to 14 overlap.
func after(steps ...string) []string { return steps }

// over says whether a child has come to rest, and how.
func over(child interface {
	GetConditions() *[]metav1.Condition
}) (ready, stalled metav1Condition) {
	ready, _ = condition(child, v1alpha1.ReadyCondition)
	stalled, _ = condition(child, v1alpha1.StalledCondition)
	return ready, stalled
}

// isTrue says whether a condition of a child holds.
func isTrue(c metav1Condition) bool { return c.Status == metav1.ConditionTrue }
