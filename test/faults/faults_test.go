// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"testing"
)

// Told three times without faults, a scenario is the same story.
func TestReference(t *testing.T) {
	for _, s := range Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			reference(t, s, 3)
		})
	}
}

// reference tells a scenario without faults, so many times.
func reference(t *testing.T, s Scenario, times int) Result {
	t.Helper()
	var first Result
	for i := range times {
		var before *Result
		if i > 0 {
			before = &first
		}
		r := Run(t.Context(), server, s, nil, before, "")
		if len(r.Wrong) > 0 {
			t.Fatalf("without a fault, time %d:\n%s\n%s", i+1, strings.Join(r.Wrong, "\n"), strings.Join(r.Errors, "\n"))
		}
		if i == 0 {
			first = r
			continue
		}
		a, b := first.Writes(), r.Writes()
		for n := range max(len(a), len(b)) {
			if n >= len(a) || n >= len(b) || a[n].Site != b[n].Site {
				t.Fatalf("time %d differs from the first at write %d of %d and %d", i+1, n+1, len(a), len(b))
			}
		}
	}
	t.Logf("%d writes, %d requests, %d ticks", len(first.Writes()), len(first.Trace), first.Ticks)
	return first
}
