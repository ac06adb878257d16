// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package order

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
)

// Unrehearsed says in what an upgrade is not the one that trial and staging made;
// "" when it is. Releases may be edited while a plan runs, and verdicts of other
// images prove nothing of these, nor does a trial that failed. A copy that is gone is
// not compared: freshness and the digest of the gate speak of it.
func Unrehearsed(u v1alpha1.UpgradeSpec, trial *v1alpha1.TrialUpgrade, staging *v1alpha1.StagingEnvironment) string {
	if trial != nil {
		if !gate.TrialPassed(trial) {
			return "trial " + trial.Name + " has not passed"
		}
		if field := Differs(u, trial.Spec.Upgrade); field != "" {
			return field + " is not what trial " + trial.Name + " rehearsed"
		}
	}
	if staging != nil && staging.Spec.Upgrade != nil {
		if field := Differs(u, *staging.Spec.Upgrade); field != "" {
			return field + " is not what staging " + staging.Name + " was brought to"
		}
	}
	return ""
}

// Differs names the part of a plan by which two upgrades are not the same. A deadline
// is none: a longer one changes nothing of what was seen, and people approve it.
func Differs(u, seen v1alpha1.UpgradeSpec) string {
	same := func(a, b v1alpha1.Hop) bool { return a.From == b.From && a.To == b.To }
	switch {
	case !equality.Semantic.DeepEqual(u.Releases, seen.Releases):
		return "spec.target.releases"
	case u.From != seen.From || !slices.EqualFunc(u.Hops, seen.Hops, same):
		return "the path of status.hops"
	}
	return ""
}
