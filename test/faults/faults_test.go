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
	"sync"
	"testing"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

var (
	which  = flag.String("faults", "sample", "which faults at every write: none, sample, chosen (crashes), views, reads, all, or kinds with commas between")
	only   = flag.String("scenario", "", "tell this scenario alone")
	replay = flag.String("plan", "", "plan to replay, a JSON file")
	failed = flag.String("failed", "../../dist/faults", "folder for plans that were not survived")
)

var (
	crashes = []gate.Kind{gate.CrashBefore, gate.CrashAfter}
	lost    = []gate.Kind{gate.LostAnswer, gate.Answer409}
	answers = []gate.Kind{gate.Answer403, gate.Answer429, gate.Answer500, gate.Answer503, gate.Delay}
	reads   = []gate.Kind{gate.Blind403, gate.Blind503}
	rivals  = []gate.Kind{gate.Squat, gate.Hold, gate.Mark, gate.Strip}
	// lasting faults are over before anybody gives up.
	lasting = []gate.Kind{gate.WatchdogAway, gate.Outage, gate.Late}
	// views are caches that show what was.
	views = []gate.Kind{gate.Stale, gate.Missed, gate.TimeTravel, gate.Sleeper}
	// absences are told alone: what comes of them depends on when.
	absences = []gate.Kind{gate.OperatorAway, gate.AllAway}
)

// kinds of faults that every write meets. One refusal for want of rights (403) is
// among them: an API server that starts knows no roles for a moment.
func kinds() []gate.Kind {
	switch *which {
	case "none":
		return nil
	case "sample", "chosen":
		return crashes
	case "views":
		return views
	case "reads":
		return reads
	case "all":
		return slices.Concat(crashes, lost, answers, reads, rivals, lasting, views, absences, []gate.Kind{pairs})
	}
	var out []gate.Kind
	for _, kind := range strings.Split(*which, ",") {
		out = append(out, gate.Kind(kind))
	}
	return out
}

// Every write of every scenario goes wrong in every way, and it ends the same.
func TestFaults(t *testing.T) {
	sums := &summary{written: map[string]bool{}, crashed: map[string]bool{}}
	told := 0
	t.Cleanup(func() {
		t.Log("\n" + sums.table())
		if told == len(Scenarios) {
			covered(t, sums.written, sums.crashed, *which != "sample" && slices.Contains(kinds(), gate.CrashBefore))
		}
	})
	for _, s := range Scenarios {
		if *only != "" && s.Name != *only {
			continue
		}
		told++
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			times := 3
			if *which == "sample" {
				times = 2
			}
			ref := reference(t, s, times)
			weigh(t, s, ref)
			look(t, ref)
			sums.wrote(ref)
			plans := PlansOf(s, ref, slices.DeleteFunc(kinds(), func(k gate.Kind) bool { return k == pairs })...)
			if slices.Contains(kinds(), pairs) {
				plans = append(plans, PairsOf(s, ref)...)
			}
			if len(plans) == 0 {
				return
			}
			if *which == "sample" {
				plans = sample(plans)
			}
			results, together := runAll(t.Context(), s, plans, &ref)
			sums.add(t, plans, results, ref)
			for _, f := range together {
				t.Errorf("each alone is survived, and not together: %s", failure(t, f.plan, f.Result))
			}
		})
	}
}

// sample takes a few, at other places in the two ways to crash.
func sample(plans []Plan) []Plan {
	var out []Plan
	for i := 0; i < len(plans); i += 23 {
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

// summary counts what was run and survived, by scenario and fault.
type summary struct {
	lock sync.Mutex
	rows []string
	// written and crashed are the functions of the operator that came to a
	// write, and those that died in one.
	written, crashed map[string]bool
}

// wrote notes who writes in a scenario.
func (s *summary) wrote(ref Result) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, call := range ref.Writes() {
		s.written[plain(call.From)] = true
	}
}

func (s *summary) add(t *testing.T, plans []Plan, results []Result, ref Result) {
	t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	from := map[string]string{}
	for _, call := range ref.Writes() {
		from[fmt.Sprint(call.Site, call.N)] = call.From
	}
	run, survived := map[gate.Kind]int{}, map[gate.Kind]int{}
	for i, plan := range plans {
		f := plan.Faults[0]
		run[plan.label()]++
		if slices.Contains(crashes, f.Kind) {
			s.crashed[plain(from[fmt.Sprint(f.Call, f.N)])] = true
		}
		if len(results[i].Wrong) == 0 {
			survived[plan.label()]++
			continue
		}
		t.Error(failure(t, plan, results[i]))
	}
	for _, kind := range kinds() {
		s.rows = append(s.rows, fmt.Sprintf("%-24s %-12s %5d run %5d survived", plans[0].Scenario, kind, run[kind], survived[kind]))
	}
}

// failure says what was wrong with a plan, and how to see it again.
func failure(t *testing.T, plan Plan, r Result) string {
	t.Helper()
	return fmt.Sprintf("%s\n%s\n%s\nreplay: go test ./test/faults -run Replay -plan %s", plan,
		strings.Join(r.Wrong, "\n"), strings.Join(r.Errors, "\n"), keep(t, plan))
}

func (s *summary) table() string { return strings.Join(slices.Sorted(slices.Values(s.rows)), "\n") }

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
