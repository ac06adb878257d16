// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import "slices"

// Rest ticks until the operator writes nothing any more, for so many ticks, while it is there
// and nobody else is in its way.
func (w *World) Rest(ticks int) bool {
	for quiet, n := 0, 0; n < 12+ticks; n++ {
		before := w.writes()
		w.Tick()
		if quiet++; w.writes() > before {
			quiet = 0
		}
		if w.disturbed() {
			quiet, n = 0, 0
		}
		if quiet == ticks {
			return true
		}
	}
	return false
}

// disturbed says that somebody of the operator is away, or others are in its way.
func (w *World) disturbed() bool {
	away := func(p *process) bool { return w.Clock.Now().Before(p.back) }
	return !w.reachable.IsZero() || len(w.rivals) > 0 || slices.ContainsFunc(w.procs, away)
}

func (w *World) writes() int {
	n := 0
	for _, call := range w.Gate.Trace() {
		if call.Write {
			n++
		}
	}
	return n
}
