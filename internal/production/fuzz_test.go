// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// A note that anybody may have altered is one of ours or none: what it says is
// read only as the change of a field that Gradus may change.
func FuzzNotes(f *testing.F) {
	for _, text := range []string{
		`[{"owner":"GoLive/go/u","fence":1,"n":0,"id":"0-scale","field":"Replicas","before":2,"after":0}]`,
		`[{"id":"x","field":"Selector","before":{"app":"web"},"after":null}]`, "[]", "null", "{}", "", "[null]",
		`[{"field":"Image","key":"app","before":"campus:1.0"}]`, `[{"field":"../x","fence":1e308}]`, `[{"before":[[[[]]]]}]`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": map[string]any{"name": "web", "annotations": map[string]any{v1alpha1.HeldAnnotation: text}},
			"spec": map[string]any{"replicas": int64(2), "template": map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"name": "app", "image": "campus:1.0"}}}}}}}
		for _, note := range Notes(object) {
			c, err := note.Change(object)
			if err != nil {
				continue
			}
			value, err := Read(object, c)
			if err != nil {
				continue
			}
			if _, known := fields[c.Field]; !known {
				t.Fatalf("the field %q is read", c.Field)
			}
			if value.Record() != nil && !json.Valid(value.Record().Raw) {
				t.Fatalf("the value is no JSON: %s", value)
			}
		}
	})
}

// A value is the same after it was recorded and read.
func FuzzValue(f *testing.F) {
	for _, text := range []string{"1", "1.0", "1e308", "123456789012345678901234567890", `{"b":1,"a":[null]}`, `"\u0000<>"`, "null", "[]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := NewValue(json.RawMessage(text))
		if err != nil {
			return
		}
		again, err := ValueOf(value.Record())
		if err != nil || !again.Equal(value) {
			t.Fatalf("%s is read as %s: %v", value, again, err)
		}
	})
}
