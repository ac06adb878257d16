// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package inputs

import (
	"regexp"
	"slices"
	"strings"
)

// samples are tried in turn for a string with a pattern.
var samples = []string{
	"any", "gradus-any", "Any", "1.0", "2.0", "/any", "https://any.example", "2027-01-25", "2027-01-25T20:00",
	"2027-01-25T20:00:00Z", "1h", "apps/v1", "sha256:" + strings.Repeat("0", 64),
}

// Good gives a value that a schema allows: the least that is asked for. Rules in
// CEL it knows nothing of.
func Good(s *Schema) any {
	switch {
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case "object":
		out := map[string]any{}
		for _, name := range s.Required {
			out[name] = Good(s.Properties[name])
		}
		return out
	case "array":
		out := []any{}
		for range least(s.MinItems, 0) {
			out = append(out, Good(s.Items))
		}
		return out
	case "integer":
		return max(least(s.Minimum, 1), 1)
	case "boolean":
		return true
	}
	return text(s)
}

func text(s *Schema) string {
	if s.Format == "date-time" {
		return "2027-01-25T20:00:00Z"
	}
	fits := slices.IndexFunc(samples, func(sample string) bool {
		return matches(s, sample)
	})
	if fits < 0 {
		return samples[0]
	}
	return samples[fits]
}

// matches says whether a string is within the bounds of a schema.
func matches(s *Schema, value string) bool {
	if len(value) < least(s.MinLength, 0) || len(value) > least(s.MaxLength, 1<<20) {
		return false
	}
	pattern, err := regexp.Compile(s.Pattern)
	return err == nil && pattern.MatchString(value)
}

func least[N int | int64](bound *N, otherwise N) N {
	if bound == nil {
		return otherwise
	}
	return *bound
}
