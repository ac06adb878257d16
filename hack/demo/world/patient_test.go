// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestARequestWithoutAnAnswerIsSentAgain(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		switch len(bodies) {
		case 1:
			panic(http.ErrAbortHandler) // killed in the middle
		case 2:
			w.WriteHeader(http.StatusInternalServerError) // its etcd is gone
		default:
			w.WriteHeader(http.StatusConflict) // an answer, if no pleasant one
		}
	}))
	defer server.Close()
	client := http.Client{Transport: patient{http.DefaultTransport}}
	answer, err := client.Post(server.URL, "text/plain", strings.NewReader("approved"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := strings.Join(bodies, " "); answer.StatusCode != http.StatusConflict || got != "approved approved approved" {
		t.Errorf("%d after %q", answer.StatusCode, got)
	}
}
