// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// leadsNowhere says whether users who are let in now would find no pods: of the
// workload to which the door leads, the replicas are still to be put back. A
// holding page is better than a Service without endpoints.
//
// The journal does not say which workload users reach; the door's own selector
// does. Where no workload that can be seen matches it, one that cannot be seen
// may be the one.
func (u Undoer) leadsNowhere(
	ctx context.Context, namespace string, door v1alpha1.Change, journal []v1alpha1.Change,
) bool {
	before, err := ValueOf(door.Before)
	if err != nil || len(before.object()) == 0 {
		return false
	}
	served, hidden := false, false
	for _, c := range journal {
		if !stopsPods(c) {
			continue
		}
		now, err := Observe(ctx, u.Live, namespace, c)
		matches := err == nil && leadsTo(before, now.Object)
		served = served || matches
		if !awaited(c) {
			continue
		}
		if matches {
			return true
		}
		hidden = hidden || err != nil
	}
	return hidden && !served
}

// awaited says whether a change is still to be put back by us.
func awaited(c v1alpha1.Change) bool {
	return c.State != v1alpha1.ChangeUndone && c.State != v1alpha1.ChangeForeign
}

// stopsPods says whether a change takes a workload's pods away.
func stopsPods(c v1alpha1.Change) bool {
	after, err := ValueOf(c.After)
	if err != nil || c.Field != v1alpha1.FieldReplicas || !after.Equal(none) {
		return false
	}
	before, err := ValueOf(c.Before)
	return err == nil && !before.Equal(none)
}

// none is the number of pods of a workload that was stopped.
var none, _ = NewValue(0)

// leadsTo says whether a selector finds the pods of a workload.
func leadsTo(selector Value, object *unstructured.Unstructured) bool {
	if object == nil {
		return false
	}
	labels, _, err := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "labels")
	for key, want := range selector.object() {
		if labels[key] != want {
			return false
		}
	}
	return err == nil
}
