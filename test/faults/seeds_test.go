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

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// Some bugs are seen with a fault only: a cache that is stale, an operator that is gone.
func TestBlindBugsAreCaught(t *testing.T) {
	for name, planted := range blind {
		t.Run(name, func(t *testing.T) {
			told, _ := scenario(planted.scenario)
			ref := reference(t, told, 1)
			if r := Run(t.Context(), server, told, nil, &ref, planted.plant); len(r.Wrong) > 0 {
				t.Errorf("seen without its fault: %v", r.Wrong)
			}
			faults := []gate.Fault{planted.fault}
			if r := Run(t.Context(), server, told, faults, &ref, nil).fired(Plan{Faults: faults}); len(r.Wrong) > 0 {
				t.Errorf("its fault is not survived without it: %v", r.Wrong)
			}
			r := Run(t.Context(), server, told, faults, &ref, planted.plant)
			if !slices.ContainsFunc(r.Wrong, func(w string) bool { return strings.HasPrefix(w, planted.oracle+":") }) {
				t.Errorf("not caught by %q but by %v", planted.oracle, r.Wrong)
			}
		})
	}
}

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
