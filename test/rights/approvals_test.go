// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// F9, F10: one right per gate, for people.
func TestWhoDecidesOnAGate(t *testing.T) {
	decision := func(pairs ...string) string { return with(approvalYAML, pairs...) }
	override := decision("decision: Approve", "decision: Override\n  comment: the window is over at midnight, the board agreed")
	price := decision("planRef: {name: campus-2-0}", "rollbackRef: {name: campus-back}", "gate: GoLive", "gate: DataLoss")
	lacks := "approvals: you may not approve upgradeplans/gate-"
	person := "approvals: a service account does not decide on"
	table{
		"an approver":                                  {by: approver, do: creates(approvalYAML)},
		"an approver rejects":                          {by: approver, do: creates(decision("Approve", "Reject"))},
		"an approver on another gate of theirs":        {by: approver, do: creates(decision("gate: GoLive", "gate: CopyData"))},
		"an approver overrides":                        {by: approver, do: creates(override), refused: "you may not override upgradeplans/gate-golive"},
		"gradus-admin overrides":                       {by: gradusAdmin, do: creates(override)},
		"an override without a reason":                 {by: gradusAdmin, do: creates(decision("decision: Approve", "decision: Override")), refused: "decision Override needs a comment"},
		"one gate of one plan":                         {by: narrow, do: creates(approvalYAML)},
		"another gate of that plan":                    {by: narrow, do: creates(decision("gate: GoLive", "gate: Open")), refused: lacks + "open of campus-2-0"},
		"that gate of another plan":                    {by: narrow, do: creates(decision("planRef: {name: campus-2-0}", "planRef: {name: other}")), refused: lacks + "golive of other"},
		"the price of a rollback":                      {by: approver, do: creates(price)},
		"the price of a rollback, with no right to it": {by: narrow, do: creates(price), refused: "you may not approve rollbacks/gate-dataloss"},
		"a right in another namespace":                 {by: approver, do: creates(decision("namespace: campus", "namespace: strangers")), refused: byRBAC},
		"the editor of the site":                       {by: tenant, do: creates(approvalYAML), refused: byRBAC},
		"a pipeline with the verb approve":             {by: bot, do: creates(approvalYAML), refused: person},
		"a pipeline that may, on its gate":             {by: allowedBot, do: creates(decision("gate: GoLive", "gate: CopyData"))},
		"a pipeline that may, on another gate":         {by: allowedBot, do: creates(approvalYAML), refused: person},
		"a gate that does not exist":                   {by: approver, do: creates(decision("gate: GoLive", "gate: Nonsense")), refused: lacks + "nonsense"},
		// F9: who holds every verb holds approve-automation as well; whether a
		// service account counts is said by the plan's gate, not by admission.
		"Argo CD with cluster-admin": {by: argoCD, do: creates(approvalYAML)},
	}.run(t)
}

func TestTheApproverIsStampedByTheAPIServer(t *testing.T) {
	forged := one(with(approvalYAML, "decision: Approve", "decision: Approve\n  approver: rector\n  groups: [board]"))
	if err := as(approver).Create(t.Context(), forged, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	who, _, _ := unstructured.NestedString(forged.Object, "spec", "approver")
	groups, _, _ := unstructured.NestedStringSlice(forged.Object, "spec", "groups")
	if who != approver || !slices.Equal(groups, []string{"system:authenticated", "moodle-owners"}) {
		t.Fatalf("approver %q, groups %q: want the caller's own", who, groups)
	}
}

// F8, F9: an approval can be withdrawn by its author, and must not hold up
// the end of its namespace.
func TestWhoWithdrawsAnApproval(t *testing.T) {
	table{
		"who gave it":                        {by: approver, do: deletes(approvalTarget)},
		"another approver":                   {by: secondPerson, do: deletes(approvalTarget), refused: "approvals: only anna may withdraw"},
		"gradus-admin":                       {by: gradusAdmin, do: deletes(approvalTarget)},
		"the garbage collector":              {by: garbage, do: deletes(approvalTarget)},
		"the namespace controller":           {by: namespacer, do: deletes(approvalTarget)},
		"the garbage collector's finalizer":  {by: garbage, do: merges(approvalTarget, `{"metadata":{"finalizers":["foregroundDeletion"]}}`)},
		"a label by others":                  {by: clusterAdmin, do: merges(approvalTarget, `{"metadata":{"labels":{"a":"b"}}}`)},
		"a change of the decision by anyone": {by: clusterAdmin, do: merges(approvalTarget, `{"spec":{"decision":"Reject"}}`), refused: "an approval cannot be changed; delete it and decide again"},
		"a change of the approver by anyone": {by: clusterAdmin, do: merges(approvalTarget, `{"spec":{"approver":"rector"}}`), refused: "an approval cannot be changed"},
	}.run(t)
}

// F11: who wrote a plan does not approve it, so the list cannot be forged.
func TestAuthorsOfAPlanAreKept(t *testing.T) {
	const annotation = "lms.gradus.dev/authors"
	plan := one(with(planYAML, "name: campus-2-0,", "name: authored, annotations: {lms.gradus.dev/authors: nobody},"))
	key := client.ObjectKeyFromObject(plan)
	step := func(sentence, by string, act func(context.Context, client.Client) error, want string) {
		t.Helper()
		if err := act(t.Context(), as(by)); err != nil {
			t.Fatalf("%s: %v", sentence, err)
		}
		if err := admin.Get(t.Context(), key, plan); err != nil {
			t.Fatal(err)
		}
		if got := plan.GetAnnotations()[annotation]; got != want {
			t.Fatalf("%s: authors %q, want %q", sentence, got, want)
		}
	}
	patch := func(body string) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, one(strings.Replace(planYAML, "campus-2-0,", "authored,", 1)), client.RawPatch("application/merge-patch+json", []byte(body)))
		}
	}
	status := func(ctx context.Context, c client.Client) error {
		return c.Status().Patch(ctx, plan, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"digest":"x"}}`)))
	}
	create := func(ctx context.Context, c client.Client) error { return c.Create(ctx, plan) }
	ticket := func(id string) string { return `{"spec":{"changeControl":{"ticket":{"id":"` + id + `"}}}}` }

	step("the creator is the first author, whatever was forged", tenant, create, tenant)
	step("who changes the spec becomes an author", owner, patch(ticket("CHG1")), "tom,olga")
	step("a second change adds nobody twice", owner, patch(ticket("CHG2")), "tom,olga")
	step("a label adds nobody", clusterAdmin, patch(`{"metadata":{"labels":{"a":"b"}}}`), "tom,olga")
	step("the list cannot be emptied", clusterAdmin, patch(`{"metadata":{"annotations":{"`+annotation+`":null}}}`), "tom,olga")
	step("the list cannot be forged", tenant, patch(`{"metadata":{"annotations":{"`+annotation+`":"olga"}}}`), "tom,olga")
	step("forging it with a change of the spec adds the forger", clusterAdmin,
		patch(`{"metadata":{"annotations":{"`+annotation+`":"x"}},"spec":{"changeControl":{"ticket":{"id":"CHG3"}}}}`), "tom,olga,root")
	step("a finalizer of Gradus adds nobody", manager, patch(`{"metadata":{"finalizers":["lms.gradus.dev/cleanup"]}}`), "tom,olga,root")
	step("the status adds nobody", manager, status, "tom,olga,root")
	step("a comma in a name is not two names", clusterAdmin, func(ctx context.Context, _ client.Client) error {
		if err := bind(ctx, admin, siteSpace, "ClusterRole", "aggregated-edit", "cn=eva,ou=lms"); err != nil {
			return err
		}
		return retry(ctx, func() error { return patch(ticket("CHG4"))(ctx, as("cn=eva,ou=lms")) })
	}, "tom,olga,root,cn=eva%2Cou=lms")
}

// retry waits for a RoleBinding to be seen by the authorizer.
func retry(ctx context.Context, do func() error) error {
	return waitFor(ctx, "a RoleBinding", func(context.Context) bool { return do() == nil })
}
