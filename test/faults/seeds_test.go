// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

//go:build seeds

package faults

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A harness that catches nothing looks like an operator without bugs.
func TestSeededBugsAreCaught(t *testing.T) {
	references := map[string]Result{}
	for _, s := range seeds {
		if _, ok := references[s.scenario]; !ok {
			told, _ := scenario(s.scenario)
			references[s.scenario] = reference(t, told, 1)
		}
	}
	var all sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		all.Go(func() {
			planted := seeds[name]
			told, _ := scenario(planted.scenario)
			ref := references[planted.scenario]
			r := Run(t.Context(), server, told, nil, &ref, planted.plant)
			by := map[string]bool{}
			for _, wrong := range r.Wrong {
				oracle, _, _ := strings.Cut(wrong, ":")
				by[oracle] = true
			}
			t.Logf("%-16s caught by %s", name, strings.Join(slices.Sorted(maps.Keys(by)), ", "))
			if !by[planted.oracle] {
				t.Errorf("%s is not caught by %q but by %v", name, planted.oracle, r.Wrong)
			}
		})
	}
	all.Wait()
}
