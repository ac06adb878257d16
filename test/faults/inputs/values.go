// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// megabyte stands for a text of that length until a body is made: hundreds of
// inputs have one.
const megabyte = "@megabyte@"

// value is one thing to write into a field, and what it is called.
type value struct {
	what string
	is   any
}

// left says that a field is left out.
type left struct{}

// valuesOf gives what is written into a field of this schema.
func valuesOf(s *Schema) []value {
	out := []value{{"left out", left{}}, {"null", nil}}
	switch s.Type {
	case "string":
		out = append(out, texts(s)...)
		out = append(out, others("true", "[]", "{}", "42", "1e308")...)
	case "integer":
		out = append(out, numbers(s)...)
		out = append(out, others("true", "[]", "{}", `"1"`, `""`)...)
	case "boolean":
		out = append(out, others("true", "false", `"yes"`, "0", "[]", "{}")...)
	case "array":
		out = append(out, lists(s)...)
		out = append(out, others("true", "{}", "1", `"any"`)...)
	case "object":
		out = append(out, others("{}", "[]", "1", `"any"`, "true")...)
	}
	return out
}

// others are values as they stand in JSON.
func others(all ...string) []value {
	var out []value
	for _, one := range all {
		out = append(out, value{one, json.RawMessage(one)})
	}
	return out
}

// odd texts, whatever a field is for.
var odd = map[string]string{
	"empty": "", "blank": " ", "dash": "-", "path upwards": "../", "absolute path": "/etc/passwd",
	"another namespace": "kube-system/any", "umlauts": "Überprüfung", "Japanese": "日本語", "emoji": "🎓",
	"right to left": "a\u202eb", "NUL": "a\x00b", "newline": "a\nb", "tab": "a\tb", "capitals": "ANY", "dots": "a.b",
	"shell": "$(reboot)", "markup": "<b>any</b>", "format": "%s%d%n", "quote": `a"b'c`, "word null": "null",
	"underscore first": "_any", "64 characters": strings.Repeat("a", 64), "number": "007", "zero": "0",
	"trailing dash": "any-", "huge number": "1e308", "negative": "-1", "many dots": "1" + strings.Repeat(".1", 15),
	"wildcard": "*", "comma": "a,b", "colon": "a:b", "at": "any@example.org", "template": "{{.Any}}",
}

// times and spans that are none, or that few programs can read.
var odder = map[string]string{
	"small letters": "2027-01-25t20:00:00z", "no zone": "2027-01-25T20:00:00", "day alone": "2027-01-25",
	"no such day": "2027-02-30T20:00:00Z", "no such hour": "2027-01-25T24:00:00Z", "leap second": "2026-12-31T23:59:60Z",
	"odd zone": "2027-01-25T20:00:00+99:99", "year 0": "0000-01-01T00:00:00Z", "year 9999": "9999-12-31T23:59:59Z",
	"long ago": "1969-01-01T00:00:00Z", "comma for a point": "2027-01-25T20:00:00,5Z", "13th month": "2027-13-01",
	"31 February": "2027-02-31", "minutes": "2027-01-25T20:61", "local": "2027-01-25T20:00", "word": "tomorrow",
	"days": "3d", "no unit": "90", "spaced": "3 weeks", "negative span": "-1h", "fraction": "0.5h", "nothing": "0s",
	"longer than an age": "9999999h", "more than there is": "99999999999999999h", "a hundred years": "876000h",
	"a nanosecond": "1ns", "not a number": "NaNs", "huge span": "1e308h", "day of 9999": "9999-12-31",
}

func texts(s *Schema) []value {
	out := []value{{"a megabyte", megabyte}}
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		out = append(out, value{name, odd[name]})
	}
	if timely(s) {
		for _, name := range slices.Sorted(maps.Keys(odder)) {
			out = append(out, value{name, odder[name]})
		}
	}
	for _, word := range s.Enum {
		name := fmt.Sprint(word)
		out = append(out, value{name, word}, value{"small " + name, strings.ToLower(name)})
	}
	for _, n := range []struct {
		what  string
		bound *int
	}{{"shortest", s.MinLength}, {"longest", s.MaxLength}} {
		if n.bound == nil {
			continue
		}
		for by := -1; by <= 1; by++ {
			out = append(out, value{fmt.Sprintf("%s%+d", n.what, by), long(s, max(*n.bound+by, 0))})
		}
	}
	return out
}

// timely says whether a text is, or may be, a time or a span: what matches a
// pattern that other words do not, and what has no bounds at all.
func timely(s *Schema) bool {
	if s.Pattern == "" || len(s.Enum) > 0 {
		return s.Format != "" || s.MaxLength == nil && len(s.Enum) == 0
	}
	of := []string{"2027-01-25T20:00", "2027-01-25", "2027-01-25T20:00:00Z", "1h"}
	return !matches(s, "any") && slices.ContainsFunc(of, func(sample string) bool { return matches(s, sample) })
}

// long gives a text of a length that keeps to the pattern, if there is a simple one.
func long(s *Schema, n int) string {
	for _, c := range []string{"a", "1", "A"} {
		if sample := strings.Repeat(c, n); matches(&Schema{Pattern: s.Pattern}, sample) {
			return sample
		}
	}
	sample := text(s)
	return sample[:min(n, len(sample))] + strings.Repeat("a", max(0, n-len(sample)))
}

func numbers(s *Schema) []value {
	all := []string{"0", "-1", "2147483647", "2147483648", "-2147483649", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "1e308", "-1e308", "1.5", "1.0", "1e3", "123456789012345678901234567890"}
	for _, bound := range []*int64{s.Minimum, s.Maximum} {
		if bound != nil {
			all = append(all, fmt.Sprint(*bound-1), fmt.Sprint(*bound), fmt.Sprint(*bound+1))
		}
	}
	slices.Sort(all)
	return others(slices.Compact(all)...)
}

func lists(s *Schema) []value {
	one := Good(s.Items)
	out := []value{{"empty list", []any{}}, {"of null", []any{nil}}, {"of a list", []any{[]any{}}},
		{"of numbers", []any{json.RawMessage("1e308")}}, {"of one", []any{one}}, {"the same twice", []any{one, one}}}
	if s.MaxItems != nil {
		out = append(out, value{"longest", several(s.Items, s.MapKeys, *s.MaxItems)},
			value{"longest+1", several(s.Items, s.MapKeys, *s.MaxItems+1)})
	}
	return out
}

// several different items; where a key or a word can be told apart it is.
func several(s *Schema, keys []string, n int) []any {
	var out []any
	for i := range n {
		item := Good(s)
		if s.Type == "string" && len(s.Enum) == 0 {
			item = fmt.Sprintf("any-%d", i)
		}
		if object, ok := item.(map[string]any); ok {
			for _, key := range keys {
				object[key] = differs(s.Properties[key], i)
			}
		}
		out = append(out, item)
	}
	return out
}

func differs(s *Schema, i int) any {
	if s == nil || len(s.Enum) > 0 {
		return "any"
	}
	for _, format := range []string{"any-%d", "any_%d", "1.%d"} {
		if sample := fmt.Sprintf(format, i); matches(s, sample) {
			return sample
		}
	}
	return Good(s)
}
