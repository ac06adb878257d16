// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Recover reads a lost journal back from our notes on the targets. With an
// error it gives what the targets that could be read say: what is known can be
// put back, but it is not known to be all.
func Recover(
	ctx context.Context, live client.Reader, namespace, owner string, targets []v1alpha1.ChangeTarget,
) ([]v1alpha1.Change, error) {
	type found struct {
		n      int
		change v1alpha1.Change
	}
	var all []found
	var failed []error
	for _, target := range targets {
		// Any field of the kind will do: only the object is wanted.
		now, err := Observe(ctx, live, namespace, v1alpha1.Change{Target: target, Field: anyField(target.Kind)})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if now.Object == nil {
			continue
		}
		for _, note := range Notes(now.Object) {
			if note.Owner != owner {
				continue
			}
			change, err := note.Change(now.Object)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			all = append(all, found{note.N, change})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.n, b.n) })
	out := make([]v1alpha1.Change, 0, len(all))
	for _, f := range all {
		out = append(out, f.change)
	}
	return out, errors.Join(failed...)
}

// anyField gives a field that every object of a kind has.
func anyField(kind string) v1alpha1.ChangeField {
	for _, field := range []v1alpha1.ChangeField{v1alpha1.FieldReplicas, v1alpha1.FieldSelector, v1alpha1.FieldSuspend,
		v1alpha1.FieldMinReplicas, v1alpha1.FieldReclaimPolicy, v1alpha1.FieldLabel} {
		if slices.Contains(fields[field].kinds, kind) {
			return field
		}
	}
	return ""
}
