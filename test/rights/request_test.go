// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Beginnings of refusals.
const (
	byRBAC = "cannot "
	// escalation is how the API server refuses to give away more than one has.
	escalation = "attempting to grant RBAC permissions not currently held"
)

// request is one row: who asks for what, and a part of the refusal, if any.
// Every request is a dry run: rows do not depend on each other.
type request struct {
	by      string
	do      func(context.Context, client.Client) error
	refused string
}

type table map[string]request

func (rows table) run(t *testing.T) {
	t.Helper()
	for sentence, row := range rows {
		t.Run(sentence, func(t *testing.T) {
			err := row.do(t.Context(), as(row.by))
			if row.refused == "" && err != nil {
				t.Fatalf("%s was refused: %v", row.by, err)
			}
			if row.refused != "" && !refusedBecause(err, row.refused) {
				t.Fatalf("%s: want a refusal with %q, got %v", row.by, row.refused, err)
			}
		})
	}
}

// holds says whether a request that must be refused is refused as it should be.
func (r request) holds(ctx context.Context) bool {
	return refusedBecause(r.do(ctx, as(r.by)), r.refused)
}

func refusedBecause(err error, part string) bool {
	refusal := apierrors.IsForbidden(err) || apierrors.IsInvalid(err)
	return refusal && strings.Contains(err.Error(), part)
}

// creates asks for what the YAML says.
func creates(text string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Create(ctx, one(text), client.DryRunAll)
	}
}

// merges sends a JSON merge patch to KIND in API NAMESPACE/NAME.
func merges(target, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Patch(ctx, reference(target), client.RawPatch(types.MergePatchType, []byte(patch)), client.DryRunAll)
	}
}

// mergesStatus is merges on the subresource status.
func mergesStatus(target, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		raw := client.RawPatch(types.MergePatchType, []byte(patch))
		return c.Status().Patch(ctx, reference(target), raw, client.DryRunAll)
	}
}

// mergesScale is merges on the subresource scale.
func mergesScale(target, patch string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		raw := client.RawPatch(types.MergePatchType, []byte(patch))
		return c.SubResource("scale").Patch(ctx, reference(target), raw, client.DryRunAll)
	}
}

// deletes asks for the end of a target.
func deletes(target string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		return c.Delete(ctx, reference(target), client.DryRunAll)
	}
}

// deletesByUID asks for the end of the target that lives now.
func deletesByUID(target string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		live := reference(target)
		if err := admin.Get(ctx, client.ObjectKeyFromObject(live), live); err != nil {
			return err
		}
		uid := live.GetUID()
		return c.Delete(ctx, live, client.DryRunAll, client.Preconditions{UID: &uid})
	}
}

// gets reads a target.
func gets(target string) func(context.Context, client.Client) error {
	return func(ctx context.Context, c client.Client) error {
		object := reference(target)
		return c.Get(ctx, client.ObjectKeyFromObject(object), object)
	}
}

// reference reads "apps/v1 Deployment campus/web"; cluster-scoped: no slash.
func reference(target string) *unstructured.Unstructured {
	parts := strings.Fields(target)
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(parts[0])
	object.SetKind(parts[1])
	if namespace, name, found := strings.Cut(parts[2], "/"); found {
		object.SetNamespace(namespace)
		object.SetName(name)
	} else {
		object.SetName(parts[2])
	}
	return object
}
