// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Input is an object of which one field, or a pair, is odd.
type Input struct {
	Kind Kind
	// Field that is odd, such as spec.workloads[0].name, and what is odd of it.
	Field, What string
	// Names of which a refusal must hold one.
	Names []string
	// Object that it is; what no map can hold is put in when a body is made of it.
	Object map[string]any
}

func (i Input) String() string { return fmt.Sprintf("%s %s: %s", i.Kind.Name, i.Field, i.What) }

// again marks a key that is there twice.
const again = "@again@"

// Body gives the JSON, under another name if one is given.
func (i Input) Body(name string) ([]byte, error) {
	object := i.Object
	if name != "" {
		object = copied(object).(map[string]any)
		object["metadata"].(map[string]any)["name"] = name
	}
	body, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	body = bytes.ReplaceAll(body, []byte(again), nil)
	return bytes.ReplaceAll(body, []byte(megabyte), bytes.Repeat([]byte("a"), 1<<20)), nil
}

// Walk gives every input of a kind that differs in one place, or in a pair of
// places, from an object that is good.
func Walk(kind Kind, good map[string]any) []Input {
	w := &walk{kind: kind, good: good}
	w.field([]any{"spec"}, kind.Schema.Properties["spec"])
	w.metadata()
	return w.out
}

type walk struct {
	kind Kind
	good map[string]any
	out  []Input
}

// field walks a field and all below it.
func (w *walk) field(path []any, s *Schema) {
	for _, v := range valuesOf(s) {
		w.put(path, v)
	}
	switch s.Type {
	case "object":
		w.object(path, s)
	case "array":
		w.field(with(path, 0), s.Items)
	}
}

func (w *walk) object(path []any, s *Schema) {
	w.put(with(path, "unheardOf"), value{"unknown field", "any"})
	names := slices.Sorted(maps.Keys(s.Properties))
	for i, name := range names {
		w.twice(with(path, name), s.Properties[name])
		w.field(with(path, name), s.Properties[name])
		for _, other := range names[i+1:] {
			if related(s, name, other) {
				w.pair(path, s, name, other)
			}
		}
	}
}

// related fields are named by one rule, or look alike.
func related(s *Schema, a, b string) bool {
	one, two := s.Properties[a], s.Properties[b]
	if one.Type == two.Type && one.Pattern == two.Pattern && len(one.Enum)+len(two.Enum) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Rules, func(r struct{ Rule string }) bool {
		return strings.Contains(r.Rule, "self."+a) && strings.Contains(r.Rule, "self."+b)
	})
}

// put makes the input of one value.
func (w *walk) put(path []any, v value) {
	object, built := w.opened(path)
	set(object, path, v.is)
	w.add(path, v.what, append(built, leaf(path)), object)
}

// twice gives a key a second time: the last one counts, where nobody asks.
func (w *walk) twice(path []any, s *Schema) {
	object, built := w.opened(path)
	if found(object, path) == nil {
		set(object, path, Good(s))
	}
	at := slices.Clone(path)
	at[len(at)-1] = again + leaf(path)
	set(object, at, Good(s))
	w.add(path, "key twice", append(built, leaf(path)), object)
}

// pair changes two fields of one object together: both there, none there, both
// at their lowest, and each with what the other had.
func (w *walk) pair(path []any, s *Schema, a, b string) {
	one, two := s.Properties[a], s.Properties[b]
	rows := []struct {
		what string
		a, b any
	}{{"both", Good(one), Good(two)}, {"neither", left{}, left{}}, {"one without the other", Good(one), left{}},
		{"the other without the one", left{}, Good(two)}}
	object, _ := w.opened(with(path, a))
	if x, y := found(object, with(path, a)), found(object, with(path, b)); x != nil && y != nil && one.Type == two.Type {
		rows = append(rows, struct {
			what string
			a, b any
		}{"changed for each other", y, x})
	}
	for _, row := range rows {
		object, built := w.opened(with(path, a))
		set(object, with(path, a), row.a)
		set(object, with(path, b), row.b)
		w.add(with(path, a+"+"+b), row.what, append(built, a, b), object)
	}
}

func (w *walk) add(path []any, what string, names []string, object map[string]any) {
	w.out = append(w.out, Input{Kind: w.kind, Field: named(path), What: what, Names: names, Object: object})
}

// opened gives a copy of the good object in which there is something to put a
// value into, and the names of what had to be made for it.
func (w *walk) opened(path []any) (map[string]any, []string) {
	object := copied(w.good).(map[string]any)
	s := &Schema{Properties: w.kind.Schema.Properties}
	var built []string
	for i, step := range path[:len(path)-1] {
		if _, ok := step.(int); ok {
			s = s.Items
		} else {
			s = s.Properties[step.(string)]
		}
		at := path[:i+1]
		before := found(object, at)
		list, isList := before.([]any)
		if before == nil {
			set(object, at, Good(s))
			built = append(built, leaf(at))
			list, isList = found(object, at).([]any)
		}
		if isList && len(list) == 0 {
			set(object, at, []any{Good(s.Items)})
			built = append(built, leaf(at))
		}
	}
	return object, built
}

// named writes a path as the API server does.
func named(path []any) string {
	var b strings.Builder
	for _, step := range path {
		if i, ok := step.(int); ok {
			fmt.Fprintf(&b, "[%d]", i)
			continue
		}
		fmt.Fprintf(&b, ".%v", step)
	}
	return strings.TrimPrefix(b.String(), ".")
}

// leaf is the name of the last field of a path.
func leaf(path []any) string {
	for i := len(path) - 1; i >= 0; i-- {
		if name, ok := path[i].(string); ok {
			return name
		}
	}
	return ""
}

func with(path []any, step any) []any { return append(slices.Clone(path), step) }
