// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Asker sends bodies as they stand, so that what no client would write arrives.
type Asker struct {
	w    *World
	http *http.Client
	host string
}

// Asker speaks as somebody, around the gate; fields are validated as strictly
// as kubectl asks for.
func (w *World) Asker(user string) *Asker {
	config := w.server.as(user)
	config.Wrap(w.memo.wrap)
	c, err := rest.HTTPClientFor(config)
	w.Must(err)
	return &Asker{w: w, http: c, host: config.Host}
}

// Wake lets every object be reconciled again: who edits or replaces one wakes
// its reconciler, whatever that has read of other objects.
func (w *World) Wake() {
	for _, p := range w.procs {
		p.idle = map[string]idle{}
	}
}

// Ask gives the body of the answer; as an error, why the API server refuses.
func (a *Asker) Ask(verb, plural, name string, body []byte, dry bool) ([]byte, error) {
	url := fmt.Sprintf("%s/apis/%s/namespaces/%s/%s/%s", strings.TrimSuffix(a.host, "/"),
		v1alpha1.GroupVersion, a.w.Namespace, plural, name)
	url = strings.TrimSuffix(url, "/") + "?fieldValidation=Strict"
	if dry {
		url += "&dryRun=All"
	}
	request, err := http.NewRequestWithContext(a.w.ctx, verb, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode < http.StatusMultipleChoices {
		return answer, err
	}
	refusal := Refusal{Code: response.StatusCode}
	var status metav1.Status
	if err := json.Unmarshal(answer, &status); err != nil {
		refusal.Message = string(answer)
		return nil, refusal
	}
	refusal.Message = status.Message
	return nil, refusal
}

// Refusal is what the API server says instead of yes.
type Refusal struct {
	Code    int
	Message string
}

func (r Refusal) Error() string { return fmt.Sprintf("%d: %s", r.Code, r.Message) }
