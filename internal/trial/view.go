// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package trial rehearses an upgrade on a throw-away copy, reports what
// happened, and proves that nothing of the copy is left.
package trial

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// View is what the steps of a trial decide from.
type View struct {
	Trial  *v1alpha1.TrialUpgrade
	Backup *v1alpha1.SiteBackup
	// Environments that this trial made, found by its UID.
	Environments []v1alpha1.StagingEnvironment
	// Looked says that the cluster was searched after the copy was removed;
	// Remains names what was found of it.
	Looked  bool
	Remains []string
	Now     time.Time
}

// kept says whether a failed copy still stands for people to look at.
func (v View) kept() bool {
	until := v.Trial.Status.KeptUntil
	return until != nil && v.Now.Before(until.Time)
}

// EnvironmentNames gives the names that copies of this trial can have had.
func EnvironmentNames(t *v1alpha1.TrialUpgrade) []string {
	attempts := int32(1)
	for _, entry := range t.Status.Steps {
		if entry.Name == rehearse.Name {
			attempts = max(attempts, entry.Attempt)
		}
	}
	var names []string
	for attempt := int32(1); attempt <= attempts; attempt++ {
		names = append(names, environmentName(t, attempt))
	}
	return names
}

// TornDown says whether the copy is removed, so that it is time to look for
// what it left.
func TornDown(t *v1alpha1.TrialUpgrade) bool {
	for _, entry := range t.Status.Steps {
		if entry.Name == tearDown.Name {
			return entry.State == v1alpha1.StepPassed
		}
	}
	return false
}

// Verdict gives what the trial found, once it is known.
func Verdict(t *v1alpha1.TrialUpgrade) (known, passed bool) {
	condition := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.PassedCondition)
	if condition == nil {
		return false, false
	}
	return true, meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.PassedCondition)
}
