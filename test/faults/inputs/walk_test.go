// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func count(n int) *int { return &n }

// seats is a kind with one field of every sort.
func seats() Kind {
	low, high := int64(1), int64(9)
	spec := &Schema{Type: "object", Required: []string{"name"}, Properties: map[string]*Schema{
		"name":  {Type: "string", Pattern: "^[a-z]+$", MinLength: count(1), MaxLength: count(5)},
		"count": {Type: "integer", Minimum: &low, Maximum: &high},
		"doors": {Type: "array", MaxItems: count(2), ListType: "map", MapKeys: []string{"id"}, Items: &Schema{
			Type: "object", Required: []string{"id"}, Properties: map[string]*Schema{"id": {Type: "string"}}}},
		"until": {Type: "string", Format: "date-time"},
		"since": {Type: "string", Format: "date-time"},
	}}
	return Kind{Name: "Seats", Plural: "seats", Schema: &Schema{Type: "object", Properties: map[string]*Schema{"spec": spec}}}
}

func good() map[string]any {
	return map[string]any{"metadata": map[string]any{"name": "good"}, "spec": map[string]any{"name": "any"}}
}

func TestWalk(t *testing.T) {
	all := Walk(seats(), good())
	for sentence, c := range map[string]struct{ field, what, body string }{
		"a bound and one more":        {"spec.name", "longest+1", `"name":"aaaaaa"`},
		"one below the lowest":        {"spec.count", "0", `"count":0`},
		"a number no computer has":    {"spec.count", "1e308", `"count":1e308`},
		"a list for a number":         {"spec.count", "[]", `"count":[]`},
		"nothing where something is":  {"spec.name", "left out", `"spec":{}`},
		"a key that is there twice":   {"spec.name", "key twice", `"name":"any","name":"any"`},
		"a field nobody knows":        {"spec.unheardOf", "unknown field", `"unheardOf":"any"`},
		"another namespace":           {"spec.doors[0].id", "another namespace", `"id":"kube-system/any"`},
		"an item twice":               {"spec.doors", "the same twice", `"doors":[{"id":"any"},{"id":"any"}]`},
		"an item too many":            {"spec.doors", "longest+1", `[{"id":"any-0"},{"id":"any-1"},{"id":"any-2"}]`},
		"a time no program reads":     {"spec.until", "small letters", `"2027-01-25t20:00:00z"`},
		"two fields that look alike":  {"spec.since+until", "one without the other", `"since":"2027-01-25T20:00:00Z"`},
		"a letter that ends a string": {"metadata.name", "NUL", `"name":"a\u0000b"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			i := slices.IndexFunc(all, func(in Input) bool { return in.Field == c.field && in.What == c.what })
			if i < 0 {
				t.Fatal("there is no such input")
			}
			body, err := all[i].Body("")
			if err != nil || !strings.Contains(string(body), c.body) {
				t.Errorf("%s (%v), want %s in it", body, err, c.body)
			}
		})
	}
}

func TestWalkIsTheSameEveryTime(t *testing.T) {
	mine, before := good(), good()
	first, second := Walk(seats(), mine), Walk(seats(), mine)
	if !reflect.DeepEqual(first, second) {
		t.Error("two walks differ")
	}
	if !reflect.DeepEqual(mine, before) {
		t.Error("the good object was changed")
	}
	seen := map[string]bool{}
	for _, input := range first {
		if seen[input.String()] {
			t.Errorf("%s is there twice", input)
		}
		seen[input.String()] = true
	}
}

func TestGoodIsWithinBounds(t *testing.T) {
	schema := seats().Schema.Properties["spec"]
	got, err := json.Marshal(Good(schema))
	if err != nil || string(got) != `{"name":"any"}` {
		t.Errorf("%s, %v", got, err)
	}
}
