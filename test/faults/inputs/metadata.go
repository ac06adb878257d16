// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// asked are the annotations by which people ask for something, and those that
// only Gradus may set.
var asked = []string{
	v1alpha1.RetryAnnotation, v1alpha1.PauseAnnotation, v1alpha1.AbortAnnotation, v1alpha1.AuthorsAnnotation,
}

// requests are values of annotations that ask for a step again.
var requests = map[string]string{
	"no step": "Nothing@1", "no attempt": "RunTrial", "attempt 0": "RunTrial@0", "attempt -1": "RunTrial@-1",
	"attempt too big": "RunTrial@99999999999", "two": "RunTrial@1,Hops@1", "true": "true", "yes": "yes", "True": "True",
}

// metadata has no schema in a CustomResourceDefinition: names, labels and
// annotations are the API server's own.
func (w *walk) metadata() {
	name := []any{"metadata", "name"}
	for _, v := range texts(&Schema{}) {
		w.put(name, v)
	}
	for _, n := range []int{39, 40, 41, 52, 53, 62, 63, 65, 100, 252, 253, 254} {
		w.put(name, value{fmt.Sprintf("%d characters", n), strings.Repeat("n", n)})
	}
	label := &Schema{Enum: []any{"any"}}
	for _, v := range texts(label) {
		w.note("labels", v1alpha1.PurposeLabel, v)
	}
	for _, annotation := range asked {
		for _, v := range texts(label) {
			w.note("annotations", annotation, v)
		}
		for _, what := range slices.Sorted(maps.Keys(requests)) {
			w.note("annotations", annotation, value{what, requests[what]})
		}
	}
}

// note puts a label or annotation.
func (w *walk) note(where, key string, v value) {
	object := copied(w.good).(map[string]any)
	set(object, []any{"metadata", where}, map[string]any{key: v.is})
	w.add([]any{"metadata", where, key}, v.what, []string{where, key}, object)
}
