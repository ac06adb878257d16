// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package faults tells every scenario once without a fault and then with every
// fault at every write of the operator, and compares how it ends.
package faults

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// Plan is a scenario and what goes wrong in it.
type Plan struct {
	Scenario string       `json:"scenario"`
	Faults   []gate.Fault `json:"faults"`
	// Why says what it found, in plans that are kept.
	Why string `json:"why,omitempty"`
}

func (p Plan) String() string {
	parts := []string{p.Scenario}
	for _, f := range p.Faults {
		parts = append(parts, f.String())
	}
	return strings.Join(parts, ", ")
}

// Result is what one run showed.
type Result struct {
	Trace []gate.Call
	End   map[string]string
	// Done counts the creates and deletes that succeeded.
	Done map[string]int
	// Steps is how many entries the ledgers of the run have.
	Ticks, Steps int
	// Marked is the last request that another scenario breaks.
	Marked int
	// Full: Jobs were refused for a quota, as the story has it.
	Full bool
	// Unfired are the faults whose request never came.
	Unfired []gate.Fault
	// Away is at which absence, counted from 1, the site was first held by a run that could be
	// taken back; 0 when at none.
	Away int
	// Wrong is what the oracles saw.
	Wrong []string
	// Errors that reconcilers gave, for whoever reads a failure.
	Errors []string
}

// fired wants every fault of a plan to have come, but for the second of a pair:
// what mends the first may need fewer writes.
func (r Result) fired(plan Plan) Result {
	for _, f := range r.Unfired {
		if plan.label() != pairs || f == plan.Faults[0] {
			r.Wrong = append(r.Wrong, "plan: never came to "+f.String())
		}
	}
	return r
}

// quietTicks are two minutes: so long nothing is written after a story.
const quietTicks = 24

// slack is how many ticks more than without faults a run may take for them:
// errors are tried again, a lease that was lost is waited for, and who is away
// is away for long.
func slack(faults []gate.Fault) int {
	n := 40
	for _, f := range faults {
		switch {
		case f.Kind == gate.Outage:
			n += 70
		case f.Kind.Deserts():
			n += 140
		default:
			n += 20
		}
	}
	return n
}

// Run tells a scenario with faults. Without a reference only what no run may
// do is looked for. Plant puts a bug in; nil in all but the self-test.
func Run(
	ctx context.Context, server *world.Server, s Scenario, faults []gate.Fault, reference *Result,
	plant func(*world.World, *gate.Gate),
) (r Result) {
	g := gate.New(faults...)
	var o *oracle
	var w *world.World
	defer func() {
		switch said := recover().(type) {
		case nil:
		case world.Stopped:
			r.Wrong = append(r.Wrong, "stopped: "+said.Why)
		default:
			panic(said)
		}
		if w != nil {
			r.closing(ctx, w, g, o)
		}
	}()
	w = server.New(ctx, g, s.Kinds...)
	o = watch(w, g)
	var gone *away
	if slices.ContainsFunc(faults, func(f gate.Fault) bool { return f.Kind.Deserts() }) {
		gone = absent(w)
		w.Witness = gone.look
	}
	if plant != nil {
		plant(w, g)
	}
	if reference != nil {
		w.Bound = reference.Ticks + slack(faults)
	}
	s.Play(w)
	quiet := 2
	if reference == nil {
		quiet = quietTicks
	}
	if !w.Rest(quiet) {
		r.Wrong = append(r.Wrong, "rest: the operator goes on writing when the story is over: "+last(g.Trace()))
	}
	w.Collect()
	r.End, r.Done, r.Steps = w.Dump(), o.done, len(o.steps)
	r.Wrong = append(r.Wrong, released(w)...)
	r.Unfired = g.Unfired()
	if gone != nil {
		r.Wrong, r.Away = append(r.Wrong, gone.wrong...), gone.first
	}
	switch {
	case reference == nil:
	case w.Undone:
		r.Wrong = append(r.Wrong, gone.undone(r.End, reference.End)...)
	default:
		got := r.mended(faults, *reference).overtaken(faults, *reference).unlooked(faults)
		r.Wrong = append(r.Wrong, differences(reference.unlooked(faults), got)...)
	}
	return r
}

// closing notes what is there however a run ended, and sweeps it away.
func (r *Result) closing(ctx context.Context, w *world.World, g *gate.Gate, o *oracle) {
	r.Ticks, r.Errors, r.Trace = w.Ticks, w.Errors, g.Trace()
	r.Wrong = slices.Concat(r.Wrong, o.wrong, prefixed("panic: ", w.Panics), prefixed("rival: ", w.Neglected))
	r.Done, r.Marked, r.Full = o.done, w.Marked, w.Full
	if err := w.Sweep(); err != nil && ctx.Err() == nil {
		r.Wrong = append(r.Wrong, "the harness: "+err.Error())
	}
}

// mended gives an owner back to what somebody took it from: Gradus never writes
// to its children, so that it does not heal them; it goes on by their labels. When
// the owner is deleted they stay.
func (r Result) mended(faults []gate.Fault, reference Result) Result {
	if !slices.ContainsFunc(faults, func(f gate.Fault) bool { return f.Kind == gate.Strip }) {
		return r
	}
	r.End = maps.Clone(r.End)
	for _, f := range faults {
		if f.Kind != gate.Strip {
			continue
		}
		_, object, _ := strings.Cut(f.Call, " create ")
		_, name, _ := strings.Cut(object, " ")
		maps.DeleteFunc(r.End, func(key, text string) bool {
			return reference.End[key] == "" && !strings.Contains(text, `"ownerReferences"`) && strings.HasSuffix(key, " "+name)
		})
	}
	for key, text := range r.End {
		if want := reference.End[key]; !strings.Contains(text, `"ownerReferences"`) && owners.MatchString(want) {
			if owners.ReplaceAllString(want, "") == owners.ReplaceAllString(text, "") {
				r.End[key] = want
			}
		}
	}
	return r
}

// overtaken takes out what a process that hung has made when another one had removed it, if that
// was removed once more.
func (r Result) overtaken(faults []gate.Fault, reference Result) Result {
	r.Done = maps.Clone(r.Done)
	for _, f := range faults {
		made := f.Call
		gone := strings.Replace(made, " create ", " delete ", 1)
		hung := f.Kind == gate.Late || f.Kind == gate.Sleeper
		if hung && made != gone && r.Done[made] == reference.Done[made]+1 && r.Done[gone] == reference.Done[gone]+1 {
			r.Done[made], r.Done[gone] = reference.Done[made], reference.Done[gone]
		}
	}
	return r
}

// owners is the last field of the metadata of an object.
var owners = regexp.MustCompile(`(?s),\s*"ownerReferences": \[.*?\n  \]`)

// last names the last writes of a run.
func last(trace []gate.Call) string {
	var out []string
	for _, call := range trace {
		if call.Write {
			out = append(out, call.Site+" by "+call.From)
		}
	}
	return strings.Join(out[max(0, len(out)-3):], "; ")
}

func prefixed(prefix string, all []string) []string {
	out := slices.Clone(all)
	for i := range out {
		out[i] = prefix + out[i]
	}
	return out
}

// Writes gives what the operator wrote in a run, in order.
func (r Result) Writes() []gate.Call {
	return slices.DeleteFunc(slices.Clone(r.Trace), func(c gate.Call) bool { return !c.Write })
}

// PlansOf gives every request of a run, with each of these faults that fits.
func PlansOf(s Scenario, reference Result, kinds ...gate.Kind) []Plan {
	var out []Plan
	for _, call := range reference.Trace {
		if call.Seq <= reference.Marked {
			continue
		}
		for _, kind := range kinds {
			if !kind.Fits(call) || kind.OfWatchdog() && !s.closes() {
				continue
			}
			out = append(out, Plan{Scenario: s.Name, Faults: []gate.Fault{{Call: call.Site, N: call.N, Kind: kind}}})
		}
	}
	return out
}
