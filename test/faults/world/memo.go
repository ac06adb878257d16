// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"sync"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// memo answers a read again until somebody of the run writes an object of the
// same resource. Nobody else writes in the namespaces of a run, so it says what
// the API server would. Most of a run's time would go into such reads.
type memo struct {
	lock  sync.Mutex
	known map[string]map[string]*answered
	last  latest
	// asked are the reads since the last call of begin: keys by resource.
	asked map[string][]string
	// wrote are the resources that were written since then.
	wrote map[string]bool
	// unheard are answers that changed, and of which no watch would tell.
	unheard map[string]map[string]*answered
	// changed counts the writes that were done, by resource.
	changed map[string]int
	store   store
}

type answered struct {
	response http.Response
	body     []byte
}

func newMemo() *memo {
	return &memo{known: map[string]map[string]*answered{}, unheard: map[string]map[string]*answered{},
		changed: map[string]int{}, store: newStore()}
}

// wrap is for rest.Config.Wrap.
func (m *memo) wrap(next http.RoundTripper) http.RoundTripper { return m.of(nil)(next) }

// of is that for a process. What one reads that has hung is not what the one in its place has
// seen: that one is still to be woken.
func (m *memo) of(life *gate.Process) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return m.trip(life, next) }
}

func (m *memo) trip(life *gate.Process, next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		resource := resourceOf(r.URL.Path)
		key := r.Header.Get("Impersonate-User") + " " + r.Header.Get("Accept") + " " + r.URL.String()
		if life != nil && life.Hung() {
			key = "hung " + key
		}
		m.note(resource, key, r.Method != http.MethodGet)
		if r.Method != http.MethodGet {
			response, err := next.RoundTrip(r)
			m.written(resource, r, response, err)
			return response, err
		}
		if response := m.recall(resource, key, r); response != nil {
			return response, nil
		}
		response, err := next.RoundTrip(r)
		if err != nil || response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotFound {
			return response, err
		}
		return m.keep(resource, key, r, response)
	})
}

// written forgets what a write may have changed.
func (m *memo) written(resource string, r *http.Request, response *http.Response, err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	delete(m.known, resource)
	delete(m.unheard, resource)
	m.store.wrote(r, response, err)
	if err == nil && response.StatusCode < http.StatusMultipleChoices {
		m.changed[resource]++
	}
}

// behind is for the client of which nobody hears: who asks the next time is told, as ever.
func (m *memo) behind(next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if r.Method != http.MethodGet {
			m.lock.Lock()
			defer m.lock.Unlock()
			m.store.forget(resourceOf(r.URL.Path))
		}
		return response, err
	})
}

// changes says how often objects of a resource were written.
func (m *memo) changes(resource string) int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.changed[resource]
}

// allChanges says how often anything was written.
func (m *memo) allChanges() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	n := 0
	for _, changes := range m.changed {
		n += changes
	}
	return n
}

// latest is a read and its answer; none when that is not known any more.
type latest struct {
	resource, key string
	answer        *answered
}

// latest gives the last read.
func (m *memo) latest() latest {
	m.lock.Lock()
	defer m.lock.Unlock()
	last := m.last
	last.answer = m.known[last.resource][last.key]
	return last
}

// holds says whether a read would get the same answer.
func (m *memo) holds(read latest) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.known[read.resource][read.key] == read.answer
}

// begin starts to note what is asked.
func (m *memo) begin() {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.asked, m.wrote = map[string][]string{}, map[string]bool{}
}

func (m *memo) note(resource, key string, write bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.last = latest{resource: resource, key: key}
	switch {
	case m.asked == nil:
	case write:
		m.wrote[resource] = true
	default:
		m.asked[resource] = append(m.asked[resource], key)
	}
}

// end gives what was asked since begin, and the resources that were written.
func (m *memo) end() (asked map[string][]string, wrote map[string]bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.asked, m.wrote
}

// same says whether all of it would be answered as it was.
func (m *memo) same(asked map[string][]string) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	for resource, keys := range asked {
		for _, key := range keys {
			_, ok := m.known[resource][key]
			_, unheard := m.unheard[resource][key]
			if !ok && !unheard {
				return false
			}
		}
	}
	return true
}

type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func (m *memo) forget(resource string) {
	m.lock.Lock()
	defer m.lock.Unlock()
	delete(m.known, resource)
	delete(m.unheard, resource)
	m.store.forget(resource)
}

func (m *memo) forgetAll() {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.known, m.unheard = map[string]map[string]*answered{}, map[string]map[string]*answered{}
	m.store = newStore()
}

// forgetUnheard does so for what nobody watches: an object without our labels.
func (m *memo) forgetUnheard(resource string) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.unheard[resource] == nil {
		m.unheard[resource] = map[string]*answered{}
	}
	maps.Copy(m.unheard[resource], m.known[resource])
	delete(m.known, resource)
	m.store.forget(resource)
}

func (m *memo) recall(resource, key string, r *http.Request) *http.Response {
	m.lock.Lock()
	defer m.lock.Unlock()
	a := m.known[resource][key]
	if a == nil {
		if a = m.store.find(r); a == nil {
			return nil
		}
		m.know(resource, key, a)
	}
	response := a.response
	response.Request, response.Body = r, io.NopCloser(bytes.NewReader(a.body))
	return &response
}

func (m *memo) keep(resource, key string, r *http.Request, response *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	m.lock.Lock()
	defer m.lock.Unlock()
	a := &answered{response: *response, body: body}
	m.know(resource, key, a)
	m.store.keep(r, a)
	return response, nil
}

func (m *memo) know(resource, key string, a *answered) {
	if m.known[resource] == nil {
		m.known[resource] = map[string]*answered{}
	}
	m.known[resource][key] = a
}

// resourceOf gives the resource that a path is about.
func resourceOf(path string) string { return placeOf(path).resource }
