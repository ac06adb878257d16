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
	// late is after how many ticks, of five seconds each, a request arrives that hung.
	late = 6
)

// leave takes somebody away.
func (w *World) leave(kind gate.Kind) {
	back := w.Clock.Now().Add(Away)
	if kind.Deserts() {
		w.Gone = kind
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
	done <-chan error
	// arrives is the tick of its request.
	arrives int
	// dreams: it does not notice at once that it was replaced.
	dreams bool
}

// unless runs a reconcile to its end, or until its process hangs: then another
// is begun, that knows nothing of it.
func (w *World) unless(p *process, reconcile func() error) (ended bool, err error) {
	done := make(chan error, 1)
	stopped := make(chan Stopped, 1)
	go func() {
		defer func() {
			if said, ok := recover().(Stopped); ok {
				stopped <- said
			}
		}()
		done <- reconcile()
	}()
	select {
	case err = <-done:
		return true, err
	case said := <-stopped:
		panic(said)
	case kind := <-p.gate.Hangs():
		old := *p
		old.view.lags = []lag{{version: w.version()}} // it hears nothing while it hangs
		w.hung = append(w.hung, hung{&old, done, w.Ticks + late, kind == gate.Sleeper})
		w.boot(p)
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
		if err := <-old.done; err != nil {
			w.Errors = append(w.Errors, fmt.Sprintf("tick %d, late: %v", w.Ticks, err))
		}
		if old.dreams {
			old.idle = map[string]idle{}
			w.reconcile(old.process)
		}
	}
}
