// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestWhoConfirmsAPrice(t *testing.T) {
	back := &v1alpha1.Rollback{ObjectMeta: metav1.ObjectMeta{
		Name: "back", Annotations: map[string]string{v1alpha1.AuthorsAnnotation: "tom"}}}
	of := func(a v1alpha1.UpgradeApproval) v1alpha1.UpgradeApproval {
		a.Spec.PlanRef, a.Spec.RollbackRef, a.Spec.Gate = nil, &v1alpha1.LocalRef{Name: "back"}, v1alpha1.GateDataLoss
		return a
	}
	other := func(a *v1alpha1.UpgradeApproval) { a.Spec.Digest = "sha256:2222222222222222" }
	old := func(a *v1alpha1.UpgradeApproval) { a.CreationTimestamp = metav1.NewTime(noon.AddDate(0, 0, -15)) }
	no := decides(v1alpha1.DecisionReject)
	tests := map[string]struct {
		approvals  []v1alpha1.UpgradeApproval
		state      v1alpha1.GateState
		notCounted []string
	}{
		"nobody":                 {nil, v1alpha1.GateWaiting, nil},
		"somebody else":          {[]v1alpha1.UpgradeApproval{of(approval("bea", ""))}, v1alpha1.GateOpened, nil},
		"who created it":         {[]v1alpha1.UpgradeApproval{of(approval("tom", ""))}, v1alpha1.GateWaiting, []string{"tom: own rollback"}},
		"who created it says no": {[]v1alpha1.UpgradeApproval{of(approval("tom", "", no))}, v1alpha1.GateRejected, nil},
		"yes, then no":           {[]v1alpha1.UpgradeApproval{of(approval("bea", "")), of(approval("zoe", "", no))}, v1alpha1.GateRejected, nil},
		"no, then yes":           {[]v1alpha1.UpgradeApproval{of(approval("ada", "", no)), of(approval("bea", ""))}, v1alpha1.GateRejected, nil},
		"no to another price": {[]v1alpha1.UpgradeApproval{of(approval("ada", "", no, other)), of(approval("bea", ""))},
			v1alpha1.GateOpened, []string{"ada: was given for another subject (22222222)"}},
		"long ago": {[]v1alpha1.UpgradeApproval{of(approval("bea", "", old))}, v1alpha1.GateWaiting, []string{"bea: expired on 2026-09-22"}},
		"a service account": {[]v1alpha1.UpgradeApproval{of(approval("system:serviceaccount:a:b", ""))}, v1alpha1.GateWaiting,
			[]string{"system:serviceaccount:a:b: is a service account; approve as a person: create an UpgradeApproval of gate DataLoss with kubectl"}},
		"without an author": {[]v1alpha1.UpgradeApproval{of(approval("", ""))}, v1alpha1.GateWaiting,
			[]string{"somebody: has no approver: the admission policies of Gradus are not in force"}},
		"of a plan": {[]v1alpha1.UpgradeApproval{approval("bea", "")}, v1alpha1.GateWaiting, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gate := CountPrice(back, subject, test.approvals, noon)
			var not []string
			for _, n := range gate.NotCounted {
				not = append(not, n.Who+": "+n.Why)
			}
			if gate.State != test.state || !slices.Equal(not, test.notCounted) {
				t.Errorf("%s, not counted %q", gate.State, not)
			}
		})
	}
}
