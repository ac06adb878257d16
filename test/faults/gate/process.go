// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"net/http"
	"sync"
)

// Process is one life of one process of the operator.
type Process struct {
	gate *Gate
	name string
	lock sync.Mutex
	dead bool
	hung bool
	// hangs is told by what the process hangs in a request, until goesOn.
	hangs  chan Kind
	goesOn chan struct{}
}

// Process starts a life.
func (g *Gate) Process(name string) *Process {
	return &Process{gate: g, name: name, hangs: make(chan Kind), goesOn: make(chan struct{})}
}

// Hangs is told when the process hangs in a request, and by which fault.
func (p *Process) Hangs() <-chan Kind { return p.hangs }

// GoOn lets a process that hangs make its request.
func (p *Process) GoOn() { p.goesOn <- struct{}{} }

// Die ends the life.
func (p *Process) Die() { _ = p.die() }

// Dead tells whether the life is over.
func (p *Process) Dead() bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.dead
}

// Hung tells whether the process has ever hung: another runs in its place.
func (p *Process) Hung() bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.hung
}

func (p *Process) hang(kind Kind) {
	p.lock.Lock()
	p.hung = true
	p.lock.Unlock()
	p.hangs <- kind
	<-p.goesOn
}

func (p *Process) die() error {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.dead = true
	return Dead
}

// Wrap is for rest.Config.Wrap.
func (p *Process) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) { return p.pass(next, r) })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pass lets one request through, or not.
func (p *Process) pass(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if p.Dead() {
		return nil, Dead
	}
	body, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	call, fault := p.gate.note(p.name, r, body)
	if response, err := p.before(call, fault, r, body); response != nil || err != nil {
		return response, err
	}
	if p.gate.isDown() {
		return nil, unreachable
	}
	response, err := p.gate.hooked(next, call, r, body)
	switch fault.Kind {
	case Mark, Strip:
		p.gate.Rival(fault.Kind, call, body)
	case CrashAfter, TimeTravel:
		return nil, p.die()
	case LostAnswer:
		return nil, timeout{}
	}
	return response, err
}

// before does what goes wrong before a request is made; an answer or an error
// is what the process gets instead.
func (p *Process) before(call Call, fault Fault, r *http.Request, body []byte) (*http.Response, error) {
	switch fault.Kind {
	case CrashBefore:
		return nil, p.die()
	case Answer403, Answer409, Answer429, Answer500, Answer503, Again503, Blind403, Blind503:
		return answer(r, fault.Kind), nil
	case Delay:
		p.gate.Pause()
	case Squat, Hold, Touch:
		p.gate.Rival(fault.Kind, call, body)
	case Stale, Missed, TimeTravel:
		p.gate.Lag(fault.Kind, call)
	case Late, Sleeper:
		p.hang(fault.Kind)
	case OperatorAway, AllAway, WatchdogAway, Outage:
		p.gate.Away(fault.Kind)
		if p.Dead() {
			return nil, Dead
		}
	}
	return nil, nil
}
