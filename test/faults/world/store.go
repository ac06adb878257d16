// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// store has what the API server would say of objects that nobody of the run has written
// since, whoever asks: a memo forgets every answer of a resource with each write, for that
// may wake somebody. Half of a run's time would go into asking again.
type store struct {
	// objects and lists: answers by resource, path, and how they were asked for.
	objects map[string]map[string]map[string]*answered
	lists   map[string]map[string]*answered
	// allowed is who was answered what, since rights were last given or taken.
	allowed map[string]bool
}

func newStore() store {
	return store{objects: map[string]map[string]map[string]*answered{}, lists: map[string]map[string]*answered{},
		allowed: map[string]bool{}}
}

// place is where a request goes.
type place struct {
	resource string
	// path of the object without a subresource, or of the list.
	path, subresource string
	list              bool
}

// placeOf gives the place of a path.
func placeOf(path string) place {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	skip := 2
	if parts[0] == "apis" {
		skip = 3
	}
	if len(parts) <= skip {
		return place{resource: path, path: path, list: true}
	}
	if of := parts[skip:]; of[0] == "namespaces" && len(of) > 2 && of[2] != "status" && of[2] != "finalize" {
		skip += 2
	}
	p := place{resource: parts[skip], list: len(parts) == skip+1}
	end := min(len(parts), skip+2)
	p.path, p.subresource = strings.Join(parts[:end], "/"), strings.Join(parts[end:], "/")
	return p
}

func asker(r *http.Request) string { return r.Header.Get("Impersonate-User") }

func form(r *http.Request) string { return r.Header.Get("Accept") + " " + r.URL.RawQuery }

// find gives what is known; nil when the API server has to be asked, or may say no to whom asks.
func (s *store) find(r *http.Request) *answered {
	if asker(r) != "" && !s.allowed[asker(r)+" "+r.URL.Path] {
		return nil
	}
	p := placeOf(r.URL.Path)
	if p.list {
		return s.lists[p.resource][p.path+" "+form(r)]
	}
	if p.subresource != "" {
		return nil
	}
	return s.objects[p.resource][p.path][form(r)]
}

// keep notes an answer to a read.
func (s *store) keep(r *http.Request, a *answered) {
	s.allowed[asker(r)+" "+r.URL.Path] = true
	p := placeOf(r.URL.Path)
	switch {
	case p.list:
		if s.lists[p.resource] == nil {
			s.lists[p.resource] = map[string]*answered{}
		}
		s.lists[p.resource][p.path+" "+form(r)] = a
	case p.subresource == "":
		s.put(p, form(r), a)
	}
}

func (s *store) put(p place, form string, a *answered) {
	if s.objects[p.resource] == nil {
		s.objects[p.resource] = map[string]map[string]*answered{}
	}
	if s.objects[p.resource][p.path] == nil {
		s.objects[p.resource][p.path] = map[string]*answered{}
	}
	s.objects[p.resource][p.path][form] = a
}

// wrote forgets what a write may have changed; all of the resource, when it is not known
// what that was. Of what was patched or updated the answer tells how it is now.
func (s *store) wrote(r *http.Request, response *http.Response, err error) {
	p := placeOf(r.URL.Path)
	switch {
	case err != nil, p.list && r.Method != http.MethodPost, r.Method == http.MethodPost && !p.list,
		response.StatusCode == http.StatusConflict:
		s.forget(p.resource)
		return
	case p.list: // where there was nothing there may be something
		for path, known := range s.objects[p.resource] {
			if slices.ContainsFunc(slices.Collect(maps.Values(known)), (*answered).absent) {
				delete(s.objects[p.resource], path)
			}
		}
	default:
		delete(s.objects[p.resource], p.path)
	}
	delete(s.lists, p.resource)
	s.rights(p.resource)
	s.told(p, r, response)
}

// told keeps the object in the answer to a write, unless that may have been the end of it.
func (s *store) told(p place, r *http.Request, response *http.Response) {
	whole := p.subresource == "" || p.subresource == "status"
	done := response.StatusCode < http.StatusMultipleChoices && !r.URL.Query().Has("dryRun")
	if r.Method == http.MethodDelete || !whole || !done {
		return
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
		return
	}
	name, ends := described(body)
	if p.list && name != "" {
		p.path, p.list = p.path+"/"+name, false
	}
	if p.list || ends {
		return
	}
	a := &answered{response: *response, body: body}
	a.response.StatusCode, a.response.Status = http.StatusOK, "200 OK"
	s.put(p, r.Header.Get("Accept")+" ", a)
}

// described tells the name of an object, and whether it is being deleted. One in JSON is
// large, and is not decoded for its name.
func described(body []byte) (name string, ends bool) {
	if bytes.HasPrefix(body, []byte("{")) {
		return "", bytes.Contains(body, []byte(`"deletionTimestamp"`))
	}
	object, _, err := decoder.Decode(body, nil, nil)
	if err != nil {
		return "", true
	}
	o, err := meta.Accessor(object)
	if err != nil {
		return "", true
	}
	return o.GetName(), o.GetDeletionTimestamp() != nil
}

var decoder = serializer.NewCodecFactory(scheme).UniversalDeserializer()

// broken is the rest of a body that could not be read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func (s *store) forget(resource string) {
	delete(s.objects, resource)
	delete(s.lists, resource)
	s.rights(resource)
}

// rights forgets who may read what when a resource is about that.
func (s *store) rights(resource string) {
	if strings.HasSuffix(resource, "roles") || strings.HasSuffix(resource, "rolebindings") {
		s.allowed = map[string]bool{}
	}
}

// absent: there is no such object.
func (a *answered) absent() bool { return a.response.StatusCode == http.StatusNotFound }
