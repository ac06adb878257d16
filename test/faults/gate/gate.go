// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package gate stands in the transport between one process of the operator
// and the API server. It names and numbers every request, and at the one that
// a plan names it makes something go wrong.
package gate

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"
)

// Gate keeps the requests of all processes of one run.
type Gate struct {
	// Normalise takes out of names what differs between runs.
	Normalise func(string) string
	// Before sees a request that is about to be made, After one that was answered.
	Before func(Call, []byte)
	After  func(Call, int, []byte)
	// Alter is for bugs that the harness puts in: it changes a request, or
	// swallows a write, and the operator believes that it was done.
	Alter func(Call, []byte) (body []byte, swallow bool)
	// Pause is how long a delayed request takes.
	Pause func()
	// Rival lets somebody else meddle with the object of a request.
	Rival func(Kind, Call, []byte)
	// Away takes somebody away, or the API server.
	Away func(Kind)
	// Lag lets caches show what was before a request.
	Lag func(Kind, Call)

	lock sync.Mutex
	down bool
	plan []Fault
	// fired counts how often each has happened.
	fired []int
	done  map[string]int
	trace []Call
}

// New makes a gate at which these things go wrong.
func New(plan ...Fault) *Gate {
	return &Gate{plan: plan, fired: make([]int, len(plan)), done: map[string]int{}}
}

// Trace gives the requests so far.
func (g *Gate) Trace() []Call {
	g.lock.Lock()
	defer g.lock.Unlock()
	return append([]Call(nil), g.trace...)
}

// Unfired gives the faults whose request never came.
func (g *Gate) Unfired() []Fault {
	g.lock.Lock()
	defer g.lock.Unlock()
	var out []Fault
	for i, f := range g.plan {
		if g.fired[i] == 0 {
			out = append(out, f)
		}
	}
	return out
}

// Plans says whether a kind of fault is to come.
func (g *Gate) Plans(kind Kind) bool {
	return slices.ContainsFunc(g.plan, func(f Fault) bool { return f.Kind == kind })
}

// Down takes the API server away, or brings it back.
func (g *Gate) Down(yes bool) {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.down = yes
}

func (g *Gate) isDown() bool {
	g.lock.Lock()
	defer g.lock.Unlock()
	return g.down
}

// hooked sends a request past the hooks that see, alter or swallow it.
func (g *Gate) hooked(next http.RoundTripper, call Call, r *http.Request, body []byte) (*http.Response, error) {
	if g.Alter != nil && call.Write {
		var swallow bool
		if body, swallow = g.Alter(call, body); swallow {
			g.answered(call, http.StatusOK)
			return next.RoundTrip(asRead(r))
		}
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if g.Before != nil {
		g.Before(call, body)
	}
	response, err := next.RoundTrip(r)
	if err == nil {
		g.answered(call, response.StatusCode)
	}
	if err == nil && g.After != nil && call.Write {
		err = g.told(call, response)
	}
	return response, err
}

// answered counts what was done.
func (g *Gate) answered(call Call, code int) {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.trace[call.Seq-1].Code = code
	if !call.Write || code < http.StatusMultipleChoices {
		g.done[call.Site]++
	}
}

// note numbers a request and finds what is to go wrong with it.
func (g *Gate) note(process string, r *http.Request, body []byte) (Call, Fault) {
	call := callOf(process, r, body, g.Normalise)
	g.lock.Lock()
	defer g.lock.Unlock()
	call.N, call.Seq = g.done[call.Site]+1, len(g.trace)+1
	g.trace = append(g.trace, call)
	for i, f := range g.plan {
		if g.fired[i] < f.Kind.times() && f.Call == call.Site && f.N == call.N {
			g.fired[i]++
			return call, f
		}
	}
	return call, Fault{}
}

// told shows an answer to After, and puts it back.
func (g *Gate) told(call Call, response *http.Response) error {
	content, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(content))
	if err == nil {
		g.After(call, response.StatusCode, content)
	}
	return err
}

// asRead reads what a request would have written.
func asRead(r *http.Request) *http.Request {
	read := r.Clone(r.Context())
	read.Method, read.Body, read.ContentLength, read.URL.RawQuery = http.MethodGet, nil, 0, ""
	return read
}

func bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	content, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(content))
	return content, err
}
