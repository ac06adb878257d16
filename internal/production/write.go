// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// errAgain: the object moved between our look and our patch; look again later.
var errAgain = errors.New("the object changed meanwhile")

// refused is an answer of the API server that will not change by itself.
type refused struct{ err error }

func (r *refused) Error() string { return "the API server refuses the change: " + r.err.Error() }

func (r *refused) Unwrap() error { return r.err }

// send patches an object, if it is still the one that was read.
func send(ctx context.Context, to client.Client, object *unstructured.Unstructured, ops []operation) error {
	body, err := json.Marshal(ops)
	if err != nil {
		return fmt.Errorf("encode patch: %w", err)
	}
	target := &unstructured.Unstructured{}
	target.SetGroupVersionKind(object.GroupVersionKind())
	target.SetNamespace(object.GetNamespace())
	target.SetName(object.GetName())
	err = to.Patch(ctx, target, client.RawPatch(types.JSONPatchType, body), client.FieldOwner(FieldOwner))
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err), failedTest(err):
		return errAgain
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return &refused{err}
	}
	return fmt.Errorf("patch %s %s: %w", object.GetKind(), object.GetName(), err)
}

// failedTest tells a JSON Patch whose test did not hold from an object that
// the API server finds invalid: only the latter names the object.
func failedTest(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == ""
}

// put writes a value, unless the object moved since it was observed.
func put(ctx context.Context, to client.Client, c v1alpha1.Change, o Observed, value Value, notes []Note) error {
	ops, err := Patch(o.Object, c, value, notes)
	if err != nil {
		return err
	}
	return send(ctx, to, o.Object, ops)
}

// unnote takes our note of a change off the object.
func unnote(ctx context.Context, to client.Client, c v1alpha1.Change, o Observed) error {
	ops, err := writeNotes(o.Object, without(Notes(o.Object), c.ID))
	if err != nil {
		return err
	}
	return send(ctx, to, o.Object, append(same(o.Object), ops...))
}
