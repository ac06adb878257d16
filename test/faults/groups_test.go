// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// perRun is how many plans one run tells. Faults far from each other do not
// meet; and where they do, that is survived as well.
var perRun = flag.Int("per-run", 16, "plans that one run tells; those of a run that fails are told one by one")

// sideBySide is how many runs share the API server: two cores are busy with four.
const sideBySide = 4

// runAll runs plans, several in one run. When a run is not survived each of its
// plans is run alone; when all of those are, the plans together are a finding.
func runAll(ctx context.Context, s Scenario, plans []Plan, ref *Result) (each []Result, together []finding) {
	each = make([]Result, len(plans))
	groups := apart(plans, grouped(plans, *perRun))
	var alone []int
	for g, r := range side(ctx, s, ref, joined(plans, groups)) {
		if len(r.Wrong) == 0 {
			alone = append(alone, unfired(plans, groups[g], r)...)
			continue
		}
		alone = append(alone, groups[g]...)
		together = append(together, finding{join(plans, groups[g]), r, groups[g]})
	}
	for n, r := range side(ctx, s, ref, joined(plans, singly(alone))) {
		each[alone[n]] = r.fired(plans[alone[n]])
	}
	return each, slices.DeleteFunc(together, func(f finding) bool {
		return slices.ContainsFunc(f.of, func(i int) bool { return len(each[i].Wrong) > 0 })
	})
}

// unfired gives those plans of a group whose request never came.
func unfired(plans []Plan, group []int, r Result) []int {
	return slices.DeleteFunc(slices.Clone(group), func(i int) bool {
		return !slices.ContainsFunc(plans[i].Faults, func(f gate.Fault) bool { return slices.Contains(r.Unfired, f) })
	})
}

// finding is a plan that was not survived.
type finding struct {
	plan Plan
	Result
	// of these plans it was joined.
	of []int
}

// side runs plans side by side.
func side(ctx context.Context, s Scenario, ref *Result, plans []Plan) []Result {
	out := make([]Result, len(plans))
	next := make(chan int)
	var all sync.WaitGroup
	for range sideBySide {
		all.Go(func() {
			for i := range next {
				out[i] = Run(ctx, server, s, plans[i].Faults, ref, nil)
				progress(i+1, plans[i], len(plans), out[i])
			}
		})
	}
	for i := range plans {
		next <- i
	}
	close(next)
	all.Wait()
	return out
}

// progress tells whoever waits how far it is, and at once of what was not survived.
func progress(n int, plan Plan, of int, r Result) {
	switch {
	case len(r.Wrong) > 0:
		fmt.Fprintf(os.Stderr, "%s %d of %d not survived: %s\n  %s\n", plan.Scenario, n, of, plan, r.Wrong[0])
	case n%25 == 0 || n == of:
		fmt.Fprintf(os.Stderr, "%s %d of %d\n", plan.Scenario, n, of)
	}
}

// grouped puts so many plans together, each as far from the next as can be: the
// faults of one write are in as many groups as they are.
func grouped(plans []Plan, size int) [][]int {
	kinds := map[gate.Kind]bool{}
	for _, plan := range plans {
		kinds[plan.label()] = true
	}
	n := min(len(plans), max(len(kinds), (len(plans)+size-1)/size))
	out := make([][]int, n)
	for i := range plans {
		out[i%n] = append(out[i%n], i)
	}
	return out
}

// apart takes absences out of their groups.
func apart(plans []Plan, groups [][]int) [][]int {
	var out [][]int
	for _, group := range groups {
		var rest []int
		for _, i := range group {
			if plans[i].Faults[0].Kind.Deserts() {
				out = append(out, []int{i})
				continue
			}
			rest = append(rest, i)
		}
		if len(rest) > 0 {
			out = append(out, rest)
		}
	}
	return out
}

func singly(all []int) [][]int {
	out := make([][]int, len(all))
	for i, n := range all {
		out[i] = []int{n}
	}
	return out
}

func joined(plans []Plan, groups [][]int) []Plan {
	out := make([]Plan, len(groups))
	for i, group := range groups {
		out[i] = join(plans, group)
	}
	return out
}

// join makes one plan of several of a scenario.
func join(plans []Plan, group []int) Plan {
	out := Plan{Scenario: plans[group[0]].Scenario}
	for _, i := range group {
		out.Faults = append(out.Faults, plans[i].Faults...)
	}
	return out
}
