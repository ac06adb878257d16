// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// operation is one operation of a JSON Patch (RFC 6902).
type operation map[string]any

func test(path string, value any) operation {
	return operation{"op": "test", "path": path, "value": value}
}

func add(path string, value any) operation {
	return operation{"op": "add", "path": path, "value": value}
}

func replace(path string, value any) operation {
	return operation{"op": "replace", "path": path, "value": value}
}

func remove(path string) operation { return operation{"op": "remove", "path": path} }

// pointer gives a JSON Pointer.
func pointer(path ...string) string {
	var out strings.Builder
	for _, part := range path {
		out.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return out.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Patch gives the JSON Patch that puts a value into a change's field and
// rewrites our note on the object. It tests that the object is the one that
// was read, unchanged since.
func Patch(object *unstructured.Unstructured, c v1alpha1.Change, value Value, notes []Note) ([]operation, error) {
	a, err := accessTo(c)
	if err != nil {
		return nil, err
	}
	plain, err := value.plain()
	if err != nil {
		return nil, err
	}
	write, err := a.write(object.Object, c, plain)
	if err != nil {
		return nil, err
	}
	note, err := writeNotes(object, notes)
	if err != nil {
		return nil, err
	}
	return slices.Concat(same(object), write, note), nil
}

// same tests that an object is the one that was read, unchanged since.
func same(object *unstructured.Unstructured) []operation {
	return []operation{
		test("/metadata/uid", string(object.GetUID())),
		test("/metadata/resourceVersion", object.GetResourceVersion()),
	}
}
