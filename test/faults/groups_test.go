// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// perRun is how many plans one run tells. Faults far from each other do not
// meet; and where they do, that is survived as well.
var perRun = flag.Int("per-run", 0, "plans that one run tells; 0 is the usual number")

// sideBySide is how many runs share the API server: two cores are busy with four.
const sideBySide = 4

// absences is how many one run tells where a site is closed.
const absences = 8

// slots are for the runs of all scenarios.
var slots = make(chan struct{}, sideBySide)

// runAll runs plans, several in one run. When a run is not survived each of its
// plans is run alone; when all of those are, the plans together are a finding.
// Plans whose request did not come are run once more in smaller company, and then
// alone. So are brief ones that were not survived: what is refused time after time, by
// dozens of them, is an outage, and a run that can be taken back rightly ends.
func runAll(ctx context.Context, s Scenario, f family, plans []Plan, ref *Result) (each []Result, together []finding) {
	each = make([]Result, len(plans))
	var alone []int
	rest := make([]int, len(plans))
	for i := range plans {
		rest[i] = i
	}
	for round, size := range []int{f.size(), max(1, f.size()/4)} {
		groups := apart(s, plans, rest, grouped(picked(plans, rest), size), max(1, (1-round)*absences))
		rest = nil
		for g, r := range side(ctx, s, ref, joined(plans, groups)) {
			switch {
			case len(r.Wrong) == 0:
				rest = append(rest, unfired(plans, groups[g], r)...)
			case (f.brief || s.closes() && deserts(plans[groups[g][0]])) && round == 0 && lawful(r):
				rest = append(rest, groups[g]...)
			default:
				alone = append(alone, groups[g]...)
				together = append(together, finding{join(plans, groups[g]), r, groups[g]})
			}
		}
		slices.Sort(rest)
	}
	alone = append(alone, rest...)
	for n, r := range side(ctx, s, ref, picked(plans, alone)) {
		each[alone[n]] = r.fired(plans[alone[n]])
	}
	return each, slices.DeleteFunc(together, func(f finding) bool {
		return slices.ContainsFunc(f.of, func(i int) bool { return len(each[i].Wrong) > 0 })
	})
}

// lawful says that a run only ended otherwise, and breached no law on the way: no Job ran
// once more, either.
func lawful(r Result) bool {
	return !slices.ContainsFunc(r.Wrong, func(wrong string) bool {
		oracle, what, _ := strings.Cut(wrong, ":")
		var times, want int
		if n, _ := fmt.Sscanf(what, "%d times instead of %d", &times, &want); n == 2 && times > want &&
			strings.Contains(what, "create jobs") {
			return true
		}
		return !slices.Contains([]string{"stopped", "end state", "missing", "orphan", "count"}, oracle)
	})
}

// unfired gives those plans of a group whose request never came. An absence from a run that can
// be taken back is the end of that, and how it ends says nothing of others: of such a row the
// first one is told, if it was that.
func unfired(plans []Plan, group []int, r Result) []int {
	came := 0
	return slices.DeleteFunc(slices.Clone(group), func(i int) bool {
		fired := !slices.ContainsFunc(plans[i].Faults, func(f gate.Fault) bool { return slices.Contains(r.Unfired, f) })
		if fired && deserts(plans[i]) {
			came++
		}
		return fired && (r.Away == 0 || r.Away == 1 && came == 1)
	})
}

func deserts(p Plan) bool { return p.Faults[0].Kind.Deserts() }

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
	var all sync.WaitGroup
	for i := range plans {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			out[i] = Run(ctx, server, s, plans[i].Faults, ref, nil)
			progress(i+1, plans[i], len(plans), out[i])
		})
	}
	all.Wait()
	return out
}

// progress tells whoever waits how far it is, and at once of what was not survived.
func progress(n int, plan Plan, of int, r Result) {
	switch {
	case len(plan.Faults) == 0: // its test tells
	case len(r.Wrong) > 0:
		fmt.Fprintf(os.Stderr, "%s %d of %d not survived: %s\n  %s\n", plan.Scenario, n, of, plan, r.Wrong[0])
	case n%25 == 0 || n == of:
		fmt.Fprintf(os.Stderr, "%s %d of %d\n", plan.Scenario, n, of)
	}
}

// grouped puts so many plans together, each as far from the next as can be: the
// faults of one write are in as many groups as they are, and those of one kind in all of
// them. Ten outages of one run would be an hour.
func grouped(plans []Plan, size int) [][]int {
	kinds := map[gate.Kind]bool{}
	for _, plan := range plans {
		kinds[plan.label()] = true
	}
	n := max(len(kinds), (len(plans)+size-1)/size)
	for n > 1 && len(kinds) > 1 && common(n, len(kinds)) > 1 {
		n++
	}
	n = min(len(plans), n)
	out := make([][]int, n)
	for i := range plans {
		out[i%n] = append(out[i%n], i)
	}
	return out
}

// common is the greatest common divisor.
func common(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// apart gives the groups of what was picked by the numbers of all plans. Where a site is
// closed it takes absences out of them, for what comes of those depends on when: so many in
// a row make a group. And strangers' objects: who is in the way for longer than half a
// minute ends a run that can be taken back.
func apart(s Scenario, plans []Plan, of []int, groups [][]int, chunk int) [][]int {
	var out [][]int
	var away []int
	for _, group := range groups {
		var rest []int
		for _, n := range group {
			switch i := of[n]; {
			case s.closes() && deserts(plans[i]):
				away = append(away, i)
			case s.closes() && plans[i].Faults[0].Kind == gate.Squat:
				out = append(out, []int{i})
			default:
				rest = append(rest, i)
			}
		}
		if len(rest) > 0 {
			out = append(out, rest)
		}
	}
	slices.Sort(away)
	return slices.AppendSeq(out, slices.Chunk(away, chunk))
}

func picked(plans []Plan, of []int) []Plan {
	out := make([]Plan, len(of))
	for n, i := range of {
		out[n] = plans[i]
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
