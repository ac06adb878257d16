// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

var (
	which  = flag.String("faults", "sample", "faults at every write: none, sample, chosen, all, or families or kinds with commas between")
	only   = flag.String("scenario", "", "tell this scenario alone")
	replay = flag.String("plan", "", "plan to replay, a JSON file")
	every  = flag.Int("every", 1, "run every n-th plan of each scenario and family alone, for a quick look; nothing of it is kept")
	failed = flag.String("failed", "../../dist/faults", "folder for plans that were not survived")
)

// Every write of every scenario goes wrong in every way, and it ends the same.
func TestFaults(t *testing.T) {
	sums := &summary{}
	t.Cleanup(func() {
		t.Log("\n" + sums.table())
		if len(sums.told.of) == len(Scenarios) {
			sums.covered(t)
		}
	})
	for _, s := range Scenarios {
		if *only != "" && s.Name != *only {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			rest := sums.recall(t, s)
			if len(rest) == 0 && *which != "none" {
				return // all of it was told before
			}
			times := 3
			if *which == "sample" || *every > 1 {
				times = 2
			}
			ref := reference(t, s, times)
			weigh(t, s, ref)
			look(t, ref)
			sums.told.wrote(s, ref)
			for _, f := range rest {
				tellFamily(t, s, f, ref, sums)
			}
		})
	}
}

// tellFamily runs the plans of a scenario with one family of faults.
func tellFamily(t *testing.T, s Scenario, f family, ref Result, sums *summary) {
	t.Helper()
	plans := PlansOf(s, ref, slices.DeleteFunc(slices.Clone(f.kinds), func(k gate.Kind) bool { return k == pairs })...)
	if slices.Contains(f.kinds, pairs) {
		plans = append(plans, PairsOf(s, ref)...)
	}
	n := *every
	if *which == "sample" {
		n = 23
	}
	plans = sample(plans, n)
	results, together := runAll(t.Context(), s, f, plans, &ref)
	if broken.Load() {
		return
	}
	sums.add(t, s, f, plans, results, len(together) == 0)
	for _, found := range together {
		t.Errorf("each alone is survived, and not together: %s", failure(t, found.plan, found.Result))
	}
}

// sample takes every n-th. Prime to the number of kinds, they are at other places of each.
func sample(plans []Plan, n int) []Plan {
	var out []Plan
	for i := 0; i < len(plans); i += n {
		out = append(out, plans[i])
	}
	return out
}

// reference tells a scenario without faults, so many times, and wants the same.
func reference(t *testing.T, s Scenario, times int) Result {
	t.Helper()
	told := side(t.Context(), s, nil, make([]Plan, times))
	first := told[0]
	for i, r := range told {
		r.Wrong = append(append(r.Wrong, refused(r)...), differences(first, r)...)
		if len(r.Wrong) > 0 {
			t.Fatalf("without a fault, time %d:\n%s\n%s", i+1, strings.Join(r.Wrong, "\n"), strings.Join(r.Errors, "\n"))
		}
		if x, y := looksOf(first), looksOf(r); !maps.Equal(x, y) {
			t.Logf("time %d reads otherwise: %v instead of %v", i+1, y, x)
		}
		if n := sameWrites(first, r); n >= 0 {
			t.Fatalf("time %d differs from the first at write %d: %q instead of %q", i+1, n+1, nth(r, n), nth(first, n))
		}
	}
	t.Logf("%d writes, %d requests, %d ticks", len(first.Writes()), len(first.Trace), first.Ticks)
	return first
}

// refused names writes that the API server did not do: without a fault there is
// no reason for any, not even for a conflict.
func refused(r Result) []string {
	var out []string
	for _, call := range r.Writes() {
		full := r.Full && call.Code == http.StatusForbidden && call.Verb == "create" && call.Resource == "jobs"
		if call.Code >= http.StatusMultipleChoices && !full {
			out = append(out, fmt.Sprintf("refused: %d for %s by %s", call.Code, call.Site, call.From))
		}
	}
	return out
}

// sameWrites gives the first write in which two runs differ; -1 if none.
func sameWrites(a, b Result) int {
	x, y := a.Writes(), b.Writes()
	for n := range max(len(x), len(y)) {
		if n >= len(x) || n >= len(y) || x[n].Site != y[n].Site {
			return n
		}
	}
	return -1
}

func nth(r Result, n int) string {
	if all := r.Writes(); n < len(all) {
		return all[n].Site
	}
	return "nothing"
}

// failure says what was wrong with a plan, and how to see it again.
func failure(t *testing.T, plan Plan, r Result) string {
	t.Helper()
	return fmt.Sprintf("%s\n%s\n%s\nreplay: go test ./test/faults -run Replay -plan %s", plan,
		strings.Join(r.Wrong, "\n"), strings.Join(r.Errors, "\n"), keep(t, plan))
}

// Everything at once, from applying a plan to its end, is told without faults alone: its
// parts are broken in stories of their own.
func TestWhole(t *testing.T) { reference(t, Whole, 1) }

// Plans that once found something are run always.
func TestRegressions(t *testing.T) {
	for name, plan := range keptPlans(t) {
		t.Run(name, func(t *testing.T) { again(t, plan) })
	}
}

// Replay runs one plan from a file.
func TestReplay(t *testing.T) {
	if *replay == "" {
		t.Skip("left out: it needs -plan FILE")
	}
	again(t, readPlan(t, *replay))
}

func again(t *testing.T, plan Plan) {
	t.Helper()
	s, ok := scenario(plan.Scenario)
	if !ok {
		t.Fatalf("there is no scenario %q", plan.Scenario)
	}
	ref := reference(t, s, 1)
	if r := Run(t.Context(), server, s, plan.Faults, &ref, nil).fired(plan); len(r.Wrong) > 0 {
		t.Errorf("%s\n%s\n%s", plan, strings.Join(r.Wrong, "\n"), strings.Join(r.Errors, "\n"))
	}
}
