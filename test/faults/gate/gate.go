// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package gate stands in the transport between one process of the operator
// and the API server. It names and numbers every request, and at the one that
// a plan names it makes something go wrong.
package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kind says what goes wrong.
type Kind string

// Kinds of faults.
const (
	// CrashBefore: the process dies and the request was never made.
	CrashBefore Kind = "CrashBefore"
	// CrashAfter: the request is done and the process dies before the answer.
	CrashAfter Kind = "CrashAfter"
	// LostAnswer: the request is done, the process lives and gets a timeout.
	LostAnswer Kind = "LostAnswer"
	// Answer…: the API server says no, and nothing is done.
	Answer403 Kind = "Answer403"
	Answer409 Kind = "Answer409"
	Answer429 Kind = "Answer429"
	Answer500 Kind = "Answer500"
	Answer503 Kind = "Answer503"
	// Delay: the request arrives late; the gate's Pause says what late is.
	Delay Kind = "Delay"
	// Rival: somebody acts right before the request.
	Rival Kind = "Rival"
)

// Fault is what goes wrong at the n-th request of a call site, from 1.
type Fault struct {
	Call string `json:"call"`
	N    int    `json:"n"`
	Kind Kind   `json:"fault"`
	// Do is the rival's action.
	Do func() `json:"-"`
}

func (f Fault) String() string { return fmt.Sprintf("%s at request %d of %q", f.Kind, f.N, f.Call) }

// Dead is what a process hears from its transport after its crash.
var Dead = errors.New("the process has crashed") //nolint:revive,staticcheck // reads as gate.Dead

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

	lock  sync.Mutex
	plan  []Fault
	fired []bool
	seen  map[string]int
	trace []Call
}

// New makes a gate at which these things go wrong.
func New(plan ...Fault) *Gate {
	return &Gate{plan: plan, fired: make([]bool, len(plan)), seen: map[string]int{}}
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
		if !g.fired[i] {
			out = append(out, f)
		}
	}
	return out
}

// Process is one life of one process of the operator.
type Process struct {
	gate *Gate
	name string
	lock sync.Mutex
	dead bool
}

// Process starts a life.
func (g *Gate) Process(name string) *Process { return &Process{gate: g, name: name} }

// Dead tells whether the life is over.
func (p *Process) Dead() bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.dead
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
	switch fault.Kind {
	case CrashBefore:
		return nil, p.die()
	case Answer403, Answer409, Answer429, Answer500, Answer503:
		return answer(r, fault.Kind), nil
	case Delay:
		p.gate.Pause()
	case Rival:
		fault.Do()
	}
	response, err := p.gate.hooked(next, call, r, body)
	switch fault.Kind {
	case CrashAfter:
		return nil, p.die()
	case LostAnswer:
		return nil, timeout{}
	}
	return response, err
}

// hooked sends a request past the hooks that see, alter or swallow it.
func (g *Gate) hooked(next http.RoundTripper, call Call, r *http.Request, body []byte) (*http.Response, error) {
	if g.Alter != nil && call.Write {
		var swallow bool
		if body, swallow = g.Alter(call, body); swallow {
			return next.RoundTrip(asRead(r))
		}
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if g.Before != nil {
		g.Before(call, body)
	}
	response, err := next.RoundTrip(r)
	if err == nil && g.After != nil && call.Write {
		err = g.told(call, response)
	}
	return response, err
}

// note numbers a request and finds what is to go wrong with it.
func (g *Gate) note(process string, r *http.Request, body []byte) (Call, Fault) {
	call := callOf(process, r, body, g.Normalise)
	g.lock.Lock()
	defer g.lock.Unlock()
	g.seen[call.Site]++
	call.N, call.Seq = g.seen[call.Site], len(g.trace)+1
	g.trace = append(g.trace, call)
	for i, f := range g.plan {
		if !g.fired[i] && f.Call == call.Site && f.N == call.N {
			g.fired[i] = true
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

// answer is what the API server says when it does nothing. No answer asks to
// be retried after a time: client-go would do so, and the operator never see it.
func answer(r *http.Request, kind Kind) *http.Response {
	code, _ := strconv.Atoi(string(kind)[len("Answer"):])
	reasons := map[int]metav1.StatusReason{
		403: metav1.StatusReasonForbidden, 409: metav1.StatusReasonConflict, 429: metav1.StatusReasonTooManyRequests,
		500: metav1.StatusReasonInternalError, 503: metav1.StatusReasonServiceUnavailable,
	}
	content, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Reason: reasons[code], Code: int32(code), Message: "the harness says no",
	})
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(content)),
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(content)),
	}
}

// timeout is a net.Error.
type timeout struct{}

func (timeout) Error() string   { return "the answer was lost" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
