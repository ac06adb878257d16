// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"time"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

const (
	// Away is how long somebody who goes is not back, unreachable how long there
	// is no API server.
	Away        = 10 * time.Minute
	unreachable = 5 * time.Minute
)

// leave takes somebody away.
func (w *World) leave(kind gate.Kind) {
	back := w.Clock.Now().Add(Away)
	if kind.Deserts() {
		w.Gone = kind
		w.Absences++
		for _, p := range w.procs {
			p.gate.Die()
			p.back = back
		}
	}
	if kind == gate.Outage {
		w.reachable = w.Clock.Now().Add(unreachable)
		for _, p := range w.procs { // a cache hears nothing either
			p.view.lags = []lag{{version: w.version(), until: w.reachable}}
		}
		w.Gate.Down(true)
	}
	if kind == gate.AllAway || kind == gate.WatchdogAway {
		w.dogBack = back
	}
}

// returns says who is back by now.
func (w *World) returns() {
	if !w.reachable.IsZero() && !w.Clock.Now().Before(w.reachable) {
		w.reachable = time.Time{}
		w.Gate.Down(false)
	}
}

// hung is a reconcile whose process hangs in a request.
type hung struct {
	*process
	turn
	// arrives is the tick of its request.
	arrives int
	// dreams: it does not notice at once that it was replaced.
	dreams bool
}

// turn is a reconcile that runs.
type turn struct {
	done    chan error
	stopped chan Stopped
}

func began(reconcile func() error) turn {
	t := turn{make(chan error, 1), make(chan Stopped, 1)}
	go func() {
		defer func() {
			if said, ok := recover().(Stopped); ok {
				t.stopped <- said
			}
		}()
		t.done <- reconcile()
	}()
	return t
}

// unless runs a reconcile to its end, or until its process hangs: then another
// is begun, that knows nothing of it.
func (w *World) unless(p *process, reconcile func() error) (ended bool, err error) {
	t := began(reconcile)
	old := *p
	if ended, err = w.ends(&old, t); ended {
		return true, err
	}
	w.boot(p)
	if p.replaced {
		p.gate.Die() // there is another already
	}
	return false, nil
}

// ends waits until a reconcile ends, or its process hangs and hears nothing.
func (w *World) ends(p *process, t turn) (bool, error) {
	select {
	case err := <-t.done:
		return true, err
	case said := <-t.stopped:
		panic(said)
	case kind := <-p.gate.Hangs():
		p.view.lags = []lag{{version: w.version()}}
		p.replaced = true
		w.hung = append(w.hung, hung{p, t, w.Ticks + w.lagTicks(), kind == gate.Sleeper})
		return false, nil
	}
}

// arrive lets requests arrive that hung long enough, and their processes go on
// as far as they come; one that dreams reconciles everything once more.
func (w *World) arrive() {
	for len(w.hung) > 0 && w.hung[0].arrives <= w.Ticks {
		old := w.hung[0]
		w.hung = w.hung[1:]
		old.gate.GoOn()
		ended, err := w.ends(old.process, old.turn)
		if err != nil {
			w.Errors = append(w.Errors, fmt.Sprintf("tick %d, late: %v", w.Ticks, err))
		}
		if ended && old.dreams {
			old.idle = map[string]idle{}
			w.reconcile(old.process)
		}
	}
}
