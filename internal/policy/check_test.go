// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

type checkCase struct {
	change func(client.Object) client.Object
	wants  string
}

// checkCases are clusters that differ from what is shipped.
var checkCases = map[string]checkCase{
	"all as shipped": {change: func(o client.Object) client.Object { return o }},
	"defaults filled in by the API server": {change: func(o client.Object) client.Object {
		if policy, ok := o.(*admissionv1.ValidatingAdmissionPolicy); ok {
			policy.Spec = defaultValidating(policy.Spec)
		}
		return o
	}},
	"a policy is missing": {
		change: dropped("*v1.ValidatingAdmissionPolicy", "gradus-status"),
		wants:  "ValidatingAdmissionPolicy gradus-status is missing",
	},
	"a binding is missing": {
		change: dropped("*v1.ValidatingAdmissionPolicyBinding", "gradus-status"),
		wants:  "ValidatingAdmissionPolicyBinding gradus-status is missing",
	},
	"a mutating policy is missing": {
		change: dropped("*v1.MutatingAdmissionPolicy", "gradus-authors"),
		wants:  "MutatingAdmissionPolicy gradus-authors is missing",
	},
	"a rule was weakened": {
		change: func(o client.Object) client.Object {
			if policy, ok := o.(*admissionv1.ValidatingAdmissionPolicy); ok && policy.Name == "gradus-makers" {
				policy.Spec.Validations[0].Expression = "true"
			}
			return o
		},
		wants: "ValidatingAdmissionPolicy gradus-makers differs",
	},
	"a binding only warns": {
		change: func(o client.Object) client.Object {
			if binding, ok := o.(*admissionv1.ValidatingAdmissionPolicyBinding); ok && binding.Name == "gradus-makers" {
				binding.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Warn}
			}
			return o
		},
		wants: "ValidatingAdmissionPolicyBinding gradus-makers differs",
	},
}

// TestCheck changes what is in force, and reads what Check says of it. The same
// against a real API server is in test/rights.
func TestCheck(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for sentence, row := range checkCases {
		t.Run(sentence, func(t *testing.T) {
			shipped, err := Shipped()
			if err != nil {
				t.Fatal(err)
			}
			builder := fake.NewClientBuilder().WithScheme(scheme)
			for _, object := range shipped {
				if changed := row.change(object); changed != nil {
					builder.WithObjects(changed)
				}
			}
			err = Check(t.Context(), builder.Build())
			if row.wants == "" {
				if err != nil {
					t.Fatalf("want nothing to object to, got %v", err)
				}
				return
			}
			if !errors.Is(err, ErrNotInForce) || !strings.Contains(err.Error(), row.wants) ||
				!strings.Contains(err.Error(), Mend) {
				t.Fatalf("want %q and how to mend it, got %v", row.wants, err)
			}
		})
	}
}

func dropped(kind, name string) func(client.Object) client.Object {
	return func(o client.Object) client.Object {
		if strings.TrimPrefix(kind, "*v1.")+" "+name == describe(o) {
			return nil
		}
		return o
	}
}

func TestEveryPolicyHasABindingThatDenies(t *testing.T) {
	shipped, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]bool{}
	for _, object := range shipped {
		switch o := object.(type) {
		case *admissionv1.ValidatingAdmissionPolicyBinding:
			bound["ValidatingAdmissionPolicy "+o.Spec.PolicyName] = len(o.Spec.ValidationActions) == 1 &&
				o.Spec.ValidationActions[0] == admissionv1.Deny && o.Spec.MatchResources == nil
		case *admissionv1.MutatingAdmissionPolicyBinding:
			bound["MutatingAdmissionPolicy "+o.Spec.PolicyName] = o.Spec.MatchResources == nil
		}
	}
	for _, object := range shipped {
		switch o := object.(type) {
		case *admissionv1.ValidatingAdmissionPolicy:
			if !bound[describe(o)] || *o.Spec.FailurePolicy != admissionv1.Fail {
				t.Errorf("%s: no binding that denies, or failurePolicy is not Fail", describe(o))
			}
			for _, validation := range o.Spec.Validations {
				if len(validation.Message) < 20 {
					t.Errorf("%s: %q has no message that says what to do", o.Name, validation.Expression)
				}
			}
		case *admissionv1.MutatingAdmissionPolicy:
			if !bound[describe(o)] || *o.Spec.FailurePolicy != admissionv1.Fail {
				t.Errorf("%s: no binding, or failurePolicy is not Fail", describe(o))
			}
		}
	}
}
