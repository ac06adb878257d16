// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Leases of two sites: one whose go-live runs, and one whose owner took the
// rights of Gradus back meanwhile.
const (
	heldLease = `
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: gradus-campus, namespace: locked, annotations: {lms.gradus.dev/point: Committed}}
spec: {holderIdentity: GoLive/campus-2-0-golive-1/u-1, leaseTransitions: 3}
`
	siteLease     = "coordination.k8s.io/v1 Lease locked/gradus-campus"
	openLease     = "coordination.k8s.io/v1 Lease locked/gradus-open"
	deserted      = "coordination.k8s.io/v1 Lease strangers/gradus-campus"
	otherSoftware = "coordination.k8s.io/v1 Lease campus/somebody-else"
	leaseRefused  = "site-lease: Lease gradus-campus is the lock of Site campus and says what a crash leads to: " +
		"Gradus and its watchdog alone write it. To write or delete it all the same, as a person: verb breaklock"
)

func init() {
	probes["gradus-site-lease"] = request{by: tenant, do: deletes(siteLease), refused: leaseRefused}
}

// makeLeases is what runs do.
func makeLeases(ctx context.Context) error {
	if err := create(ctx, as(production), one(heldLease)); err != nil {
		return err
	}
	if err := create(ctx, as(production), one(with(heldLease, "gradus-campus", "gradus-open", "Committed", "Reversible"))); err != nil {
		return err
	}
	return create(ctx, admin, one(with(heldLease, "namespace: locked", "namespace: strangers")))
}

// updates writes a field of a target as it is now.
func updates(target, value string, field ...string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		live := reference(target)
		if err := admin.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return err
		}
		if err := unstructured.SetNestedField(live.Object, value, field...); err != nil {
			return err
		}
		return c.Update(ctx, live, client.DryRunAll)
	}
}

// The lease is the site's lock, and says whether a crash opens it.
func TestTheLeaseOfASiteIsWrittenByGradusAlone(t *testing.T) {
	point := func(at string) func(context.Context, client.Client) error {
		return updates(siteLease, at, "metadata", "annotations", "lms.gradus.dev/point")
	}
	holder := updates(siteLease, "Watchdog/GoLive/campus-2-0-golive-1/u-1", "spec", "holderIdentity")
	const keeps = "site-lease: a watchdog writes a Lease that is Reversible"
	another := with(heldLease, "name: gradus-campus,", "name: gradus-campus-2,")
	table{
		"gradus-production renews it":                 {by: production, do: updates(siteLease, "GoLive/other/u-2", "spec", "holderIdentity")},
		"gradus-production makes one":                 {by: production, do: creates(another)},
		"gradus-production removes one":               {by: production, do: deletes(siteLease)},
		"gradus-production cannot undo a commit":      {by: production, do: point("Reversible"), refused: "site-lease: the point of no return is passed"},
		"the watchdog takes one that is Reversible":   {by: lockWatchdog, do: updates(openLease, "Watchdog/GoLive/g/u-1", "spec", "holderIdentity")},
		"and lets go of it":                           {by: lockWatchdog, do: merges(openLease, `{"metadata":{"annotations":null},"spec":{"holderIdentity":""}}`)},
		"it commits none":                             {by: lockWatchdog, do: updates(openLease, "Committed", "metadata", "annotations", "lms.gradus.dev/point"), refused: keeps},
		"it deletes none":                             {by: lockWatchdog, do: deletes(openLease), refused: keeps},
		"it takes none that is Committed":             {by: lockWatchdog, do: holder, refused: keeps},
		"it empties none that is Committed":           {by: lockWatchdog, do: updates(siteLease, "", "spec", "holderIdentity"), refused: keeps},
		"nor can the watchdog undo a commit":          {by: lockWatchdog, do: point("Reversible"), refused: keeps},
		"an editor deletes it":                        {by: tenant, do: deletes(siteLease), refused: leaseRefused},
		"an editor empties it":                        {by: tenant, do: updates(siteLease, "", "spec", "holderIdentity"), refused: leaseRefused},
		"an editor alters its point":                  {by: tenant, do: point("Reversible"), refused: leaseRefused},
		"an editor patches it":                        {by: tenant, do: merges(siteLease, `{"metadata":{"annotations":null}}`), refused: leaseRefused},
		"an editor makes one of a site":               {by: tenant, do: creates(another), refused: "site-lease: Lease gradus-campus-2 is the lock of Site campus-2"},
		"the owner of the namespace deletes it":       {by: owner, do: deletes(siteLease), refused: leaseRefused},
		"a pipeline with cluster-admin deletes it":    {by: argoCD, do: deletes(siteLease), refused: leaseRefused},
		"an editor deletes all":                       {by: tenant, do: deletesAll("locked"), refused: leaseRefused},
		"a person with the verb breaklock deletes it": {by: gradusAdmin, do: deletes(siteLease)},
		"a person with it takes the holder off":       {by: gradusAdmin, do: updates(siteLease, "", "spec", "holderIdentity")},
		"cluster-admin, who holds every verb":         {by: clusterAdmin, do: deletes(siteLease)},
		"the end of the namespace":                    {by: namespacer, do: deletes(siteLease)},
		"the garbage collector":                       {by: garbage, do: deletes(siteLease)},
		"an editor, once the rights are taken back":   {by: tenant, do: deletes(deserted), refused: leaseRefused},
		"a lease that is not called so":               {by: tenant, do: deletes(otherSoftware)},
		"other software that is called so, where Gradus has no site": {by: tenant, do: creates(with(heldLease,
			"gradus-campus, namespace: locked", "gradus-agent, namespace: strangers"))},
		"and where it only reads":              {by: tenant, do: creates(with(heldLease, "gradus-campus, namespace: locked", "gradus-agent, namespace: read-only"))},
		"a leader of Gradus":                   {by: manager, do: creates(with(heldLease, "gradus-campus, namespace: locked", "gradus-manager, namespace: gradus-system"))},
		"a node that is called so":             {by: clusterAdmin, do: creates(with(heldLease, "gradus-campus, namespace: locked", "gradus-1, namespace: kube-node-lease"))},
		"a lease whose name the server makes":  {by: tenant, do: creates(with(heldLease, "name: gradus-campus, namespace: locked", "generateName: gradus-, namespace: locked")), refused: "site-lease: Lease gradus-"},
		"an editor who reads it":               {by: tenant, do: gets(siteLease)},
		"gradus-manager has no right to write": {by: manager, do: deletes(siteLease), refused: byRBAC},
	}.run(t)
}

// deletesAll asks for the end of all leases of a namespace.
func deletesAll(namespace string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.DeleteAllOf(ctx, reference("coordination.k8s.io/v1 Lease "+namespace+"/any"),
			client.InNamespace(namespace), client.DryRunAll)
	}
}
