// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

// Moment is a story as far as some version of the operator had come.
type Moment struct {
	// Until is what the story waited for.
	Until     string    `json:"until"`
	Namespace string    `json:"namespace"`
	Now       time.Time `json:"now"`
	// Done counts the creates and deletes of the operator so far.
	Done map[string]int `json:"done"`
	// Objects by their keys in etcd.
	Objects map[string]json.RawMessage `json:"objects"`
}

// Moment gives what is there, and how the story came to it.
func (w *World) Moment() Moment {
	m := Moment{Until: w.during, Namespace: w.Namespace, Now: w.Clock.Now().UTC(),
		Done: map[string]int{}, Objects: map[string]json.RawMessage{}}
	for _, call := range w.Gate.Trace() {
		if (call.Verb == "create" || call.Verb == "delete") && call.Code > 0 && call.Code < http.StatusMultipleChoices {
			m.Done[call.Site]++
		}
	}
	all, err := w.server.storage.everything(w.ctx, false)
	w.Must(err)
	namespaces := w.namespaces()
	for key, value := range all {
		if within(key, namespaces) || bytes.Contains(value, []byte(`"`+w.Namespace)) {
			m.Objects[key] = w.sober(value)
		}
	}
	return m
}

// sober leaves out who wrote which field of what Gradus made: nobody asks.
func (w *World) sober(value []byte) json.RawMessage {
	var object map[string]any
	w.Must(json.Unmarshal(value, &object))
	metadata, _ := object["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	if labels[v1alpha1.OwnerUIDLabel] != nil {
		delete(metadata, "managedFields")
	}
	out, err := json.Marshal(object)
	w.Must(err)
	return out
}

// newer is the image of the operator that goes on: what it asks of a child that
// the old one made is no more what the old one asked.
const newer = "gradus:2"

// GoOn puts the objects of a moment in the place of those that a world begins
// with. What people do before the moment was done, and is not done again.
func (w *World) GoOn(m Moment) {
	w.Namespace = m.Namespace
	w.Must(w.server.storage.sweep(w.ctx, m.namespaces()))
	for _, key := range slices.Sorted(maps.Keys(m.Objects)) {
		w.Must(w.server.storage.put(w.ctx, key, m.Objects[key]))
	}
	w.memo.forgetAll()
	w.mayNow(Manager, w.Namespace, "create", "batch", "jobs", "")
	w.mayNow(Production, w.Namespace, "patch", "apps", "deployments", "")
	w.before, w.began = m.Until, m.Now
	if !w.binds(m) {
		w.image = newer
	}
	for _, p := range w.procs {
		w.boot(p)
	}
	w.hear(m)
}

// binds says whether a go-live goes on with what was approved and can be taken
// back yet: that binds the image of Gradus, and another one rightly ends it.
func (w *World) binds(m Moment) bool {
	for key, object := range m.Objects {
		if !strings.Contains(key, "/golives/") {
			continue
		}
		var g v1alpha1.GoLive
		w.Must(json.Unmarshal(object, &g))
		committed := slices.ContainsFunc(g.Status.Steps, func(e v1alpha1.StepStatus) bool {
			return e.Name == "Commit" && e.State == v1alpha1.StepPassed
		})
		if !committed {
			return true
		}
	}
	return false
}

// namespaces gives the site's and those of its copies.
func (m Moment) namespaces() []string {
	out := []string{m.Namespace}
	for key := range m.Objects {
		if name, ok := strings.CutPrefix(key, "/registry/namespaces/"); ok && name != m.Namespace {
			out = append(out, name)
		}
	}
	return out
}

// hear tells whoever watches the requests what was written before they came.
func (w *World) hear(m Moment) {
	for site, n := range m.Done {
		verb := strings.Fields(site)[1]
		for range n {
			w.Gate.After(gate.Call{Site: site, Verb: verb, Write: true}, http.StatusOK, nil)
		}
	}
	for key, object := range m.Objects {
		call := gate.Call{Site: key, Verb: "patch", Subresource: "status", Write: true}
		if strings.HasPrefix(key, "/registry/"+v1alpha1.GroupVersion.Group+"/") {
			w.Gate.After(call, http.StatusOK, object)
		}
	}
}

// over says whether what the story waits for was waited for before the moment
// that it goes on from.
func (w *World) over(what string, holds func() bool) bool {
	if w.before == "" {
		w.during = what
		return false
	}
	if w.before == what {
		w.before, w.during = "", what
		w.Clock.SetTime(w.began)
		return false
	}
	holds() // it reads what the acts that follow need
	return true
}

// Arrived wants that the story came to the moment from which it goes on.
func (w *World) Arrived() {
	if w.before != "" {
		w.Stop("the scenario has no moment any more in which it waits for %q", w.before)
	}
}

// done is for rest.Config.Wrap: as long as the story has not come to the moment
// that it goes on from, a write is answered with the object as it stands.
func (w *World) done(next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		if w.before == "" || r.Method == http.MethodGet {
			return next.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		read, err := asRead(r, body)
		if err != nil {
			return nil, err
		}
		response, err := next.RoundTrip(read)
		if err == nil && response.StatusCode == http.StatusNotFound { // it was, and is gone
			_ = response.Body.Close()
			response.StatusCode, response.Body = http.StatusOK, io.NopCloser(bytes.NewReader(body))
		}
		return response, err
	})
}

// asRead reads what a request would have written.
func asRead(r *http.Request, body []byte) (*http.Request, error) {
	read := r.Clone(r.Context())
	read.Method, read.Body, read.ContentLength, read.URL.RawQuery = http.MethodGet, nil, 0, ""
	read.URL.Path = strings.TrimSuffix(read.URL.Path, "/status")
	if r.Method != http.MethodPost {
		return read, nil
	}
	var object metav1.PartialObjectMetadata
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, err
	}
	read.URL.Path += "/" + object.Name
	return read, nil
}
