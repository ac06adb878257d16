// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// pairs are no kind of their own: two crashes.
const pairs gate.Kind = "pairs"

// near is how many writes after the first a second crash comes: while what the
// first one broke is mended. Those farther off meet in runs of several plans.
const near = 5

// twice are the ways in which an operator dies again: it wrote and knows
// nothing of it, and then it does so once more, or did not come to it.
var twice = [][2]gate.Kind{{gate.CrashAfter, gate.CrashAfter}, {gate.CrashAfter, gate.CrashBefore}}

// PairsOf gives every write of a run to production with each that follows it
// closely, and the operator dies at both.
func PairsOf(s Scenario, reference Result) []Plan {
	if !s.closes() {
		return nil
	}
	writes := slices.DeleteFunc(reference.Writes(), func(c gate.Call) bool { return c.Seq <= reference.Marked })
	var out []Plan
	for i, first := range writes {
		for _, second := range writes[i+1 : min(i+1+near, len(writes))] {
			for _, kinds := range twice {
				out = append(out, Plan{Scenario: s.Name, Faults: []gate.Fault{
					{Call: first.Site, N: first.N, Kind: kinds[0]}, {Call: second.Site, N: second.N, Kind: kinds[1]}}})
			}
		}
	}
	return out
}

// label is what a plan is counted as.
func (p Plan) label() gate.Kind {
	if len(p.Faults) == 2 {
		return pairs
	}
	return p.Faults[0].Kind
}
