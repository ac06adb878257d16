// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	lossyRollback = `
apiVersion: lms.gradus.dev/v1alpha1
kind: Rollback
metadata: {generateName: lossy-, namespace: campus}
spec:
  siteRef: {name: campus}
  to: {backupRef: {name: campus-1}}
  maxDataLoss: {rows: 5}
`
	mayNotLose = "rollbacks: only who may approve rollbacks/gate-dataloss"
)

func init() {
	probes["gradus-rollback-loss"] = request{by: tenant, do: creates(lossyRollback), refused: mayNotLose}
}

// What a Rollback may lose without asking is a decision on gate DataLoss.
func TestWhoAllowsALossBeforeItIsKnown(t *testing.T) {
	both := "both-tom-and-anna"
	for _, role := range []string{"aggregated-edit", "gradus-approver"} {
		if err := bind(t.Context(), admin, siteSpace, "ClusterRole", role, both); err != nil {
			t.Fatal(err)
		}
	}
	if err := retry(t.Context(), func() error { return creates(lossyRollback)(t.Context(), as(both)) }); err != nil {
		t.Fatal(err)
	}
	table{
		"an editor":                     {by: tenant, do: creates(lossyRollback), refused: mayNotLose},
		"an editor, under a given name": {by: tenant, do: creates(with(lossyRollback, "generateName: lossy-", "name: lossy")), refused: "leave spec.maxDataLoss out"},
		"an editor without a loss":      {by: tenant, do: creates(with(lossyRollback, "rows: 5", "rows: 0"))},
		"the owner of the namespace":    {by: owner, do: creates(lossyRollback), refused: mayNotLose},
		"gradus-admin":                  {by: gradusAdmin, do: creates(lossyRollback)},
		"an editor who may approve":     {by: both, do: creates(lossyRollback)},
		"gradus-production":             {by: production, do: creates(lossyRollback)},
	}.run(t)
}

// Who created a Rollback is stamped, and cannot be forged.
func TestTheCreatorOfARollbackIsKept(t *testing.T) {
	const annotation = "lms.gradus.dev/authors"
	back := one(with(rollbackYAML, "name: campus-back,", "name: stamped, annotations: {"+annotation+": nobody},"))
	want := func(sentence string, err error, who string) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", sentence, err)
		}
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(back), back); err != nil {
			t.Fatal(err)
		}
		if got := back.GetAnnotations()[annotation]; got != who {
			t.Fatalf("%s: %q, want %q", sentence, got, who)
		}
	}
	patch := func(by, body string) error {
		target := one(strings.Replace(rollbackYAML, "campus-back", "stamped", 1))
		return as(by).Patch(t.Context(), target, client.RawPatch("application/merge-patch+json", []byte(body)))
	}
	want("made", as(tenant).Create(t.Context(), back), tenant)
	want("forged", patch(owner, `{"metadata":{"annotations":{"`+annotation+`":"olga"}}}`), tenant)
	want("emptied", patch(tenant, `{"metadata":{"annotations":null}}`), tenant)
	want("a finalizer of Gradus", patch(production, `{"metadata":{"finalizers":["lms.gradus.dev/cleanup"]}}`), tenant)
	want("the finalizer goes", patch(production, `{"metadata":{"finalizers":null}}`), tenant)
}
