// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the API server fills in, so that the shipped text and the stored object
// can be compared. pkg/apis/admissionregistration/v1/defaults.go of Kubernetes.

func defaultValidating(spec admissionv1.ValidatingAdmissionPolicySpec) admissionv1.ValidatingAdmissionPolicySpec {
	spec.FailurePolicy = orDefault(spec.FailurePolicy, admissionv1.Fail)
	spec.MatchConstraints = defaultMatch(spec.MatchConstraints)
	return spec
}

func defaultMutating(spec admissionv1.MutatingAdmissionPolicySpec) admissionv1.MutatingAdmissionPolicySpec {
	spec.FailurePolicy = orDefault(spec.FailurePolicy, admissionv1.Fail)
	spec.MatchConstraints = defaultMatch(spec.MatchConstraints)
	if spec.ReinvocationPolicy == "" {
		spec.ReinvocationPolicy = admissionv1.NeverReinvocationPolicy
	}
	return spec
}

func defaultMatch(match *admissionv1.MatchResources) *admissionv1.MatchResources {
	if match == nil {
		return nil
	}
	match = match.DeepCopy()
	match.MatchPolicy = orDefault(match.MatchPolicy, admissionv1.Equivalent)
	match.NamespaceSelector = orDefault(match.NamespaceSelector, metav1.LabelSelector{})
	match.ObjectSelector = orDefault(match.ObjectSelector, metav1.LabelSelector{})
	for _, rules := range [][]admissionv1.NamedRuleWithOperations{match.ResourceRules, match.ExcludeResourceRules} {
		for i := range rules {
			rules[i].Scope = orDefault(rules[i].Scope, admissionv1.AllScopes)
		}
	}
	return match
}

func orDefault[T any](value *T, otherwise T) *T {
	if value == nil {
		return &otherwise
	}
	return value
}
