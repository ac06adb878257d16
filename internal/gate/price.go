// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Creators gives who created a Rollback, as admission keeps it; empty when the
// policies were not in force then.
func Creators(back *v1alpha1.Rollback) []string { return authors(back.Annotations) }

// CountPrice decides whether the price of a Rollback is confirmed: by one
// person who may and did not create it. One rejection of this price outweighs
// every approval.
func CountPrice(
	back *v1alpha1.Rollback, digest string, approvals []v1alpha1.UpgradeApproval, now time.Time,
) v1alpha1.GateStatus {
	gate := v1alpha1.GateStatus{Name: v1alpha1.GateDataLoss, State: v1alpha1.GateWaiting, Digest: digest}
	b := ballot{
		asked: asked{name: back.Name, authors: Creators(back), own: "own rollback"},
		terms: v1alpha1.GateTerms{Name: v1alpha1.GateDataLoss}, gate: &gate, digest: digest, now: now,
	}
	b.count(approvals, func(a v1alpha1.UpgradeApproval) bool {
		return a.Spec.RollbackRef != nil && a.Spec.RollbackRef.Name == back.Name
	}, func(v1alpha1.UpgradeApproval) bool { return true }) // the digest holds the UID
	return gate
}
