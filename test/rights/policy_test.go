// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/policy"
)

// Both identities make this check at their start, with their own rights.
func TestTheManagerDoesNotStartWithoutItsPolicies(t *testing.T) {
	for _, who := range []string{manager, production} {
		if err := policy.Check(t.Context(), as(who)); err != nil {
			t.Fatalf("%s, all in force: %v", who, err)
		}
	}
	key := client.ObjectKey{Name: "gradus-fence-copies"}
	var stored admissionv1.ValidatingAdmissionPolicyBinding
	if err := admin.Get(t.Context(), key, &stored); err != nil {
		t.Fatal(err)
	}
	weak := stored.DeepCopy()
	weak.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Audit}
	if err := admin.Update(t.Context(), weak); err != nil {
		t.Fatal(err)
	}
	err := policy.Check(t.Context(), as(manager))
	if !errors.Is(err, policy.ErrNotInForce) || !strings.Contains(err.Error(), "Binding gradus-fence-copies differs") {
		t.Errorf("a binding that only audits: %v", err)
	}
	weak.Spec = stored.Spec
	if err := admin.Update(t.Context(), weak); err != nil {
		t.Fatal(err)
	}
	if err := policy.Check(t.Context(), as(manager)); err != nil {
		t.Fatalf("mended: %v", err)
	}
	if policy.Check(t.Context(), as(tenant)) == nil {
		t.Error("a check that may not read must not pass")
	}
	probe := probes["gradus-fence-copies"]
	if err := waitFor(t.Context(), "the mended binding", probe.holds); err != nil {
		t.Fatal(err)
	}
}
