// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// differences between two runs that must end alike.
func differences(want, got Result) []string {
	var out []string
	for _, key := range union(want.End, got.End) {
		switch w, g := want.End[key], got.End[key]; {
		case w == g:
		case w == "":
			out = append(out, "orphan: "+key)
		case g == "":
			out = append(out, "missing: "+key)
		default:
			out = append(out, "end state: "+key+"\n"+lines(w, g))
		}
	}
	for _, key := range union(want.Done, got.Done) {
		if want.Done[key] != got.Done[key] {
			out = append(out, fmt.Sprintf("count: %d times instead of %d: %s", got.Done[key], want.Done[key], key))
		}
	}
	return out
}

func union[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

// parting shows where two texts of the same lines part.
func parting(a, b []string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	some := func(sign string, of []string) string {
		return "  " + sign + " " + strings.Join(of[max(0, i-3):min(len(of), i+3)], "\n  "+sign+" ")
	}
	return some("-", a) + "\n" + some("+", b)
}

// lines that are in one text only.
func lines(want, got string) string {
	var out []string
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for _, side := range []struct {
		sign     string
		in, none []string
	}{{"-", a, b}, {"+", b, a}} {
		for _, line := range side.in {
			if !slices.Contains(side.none, line) && len(out) < 12 {
				out = append(out, "  "+side.sign+" "+strings.TrimSpace(line))
			}
		}
	}
	if len(out) == 0 {
		return "  the same lines in another order or number, from here on:\n" + parting(a, b)
	}
	return strings.Join(out, "\n")
}
