// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// posted is one message that came over a webhook.
type posted struct {
	At   string          `json:"at"`
	Body json.RawMessage `json:"body"`
}

// hook writes down what is posted, as a chat room or a ticket system would get it.
func hook(listen string) error {
	server := &http.Server{Addr: listen, ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
			if err != nil || !json.Valid(body) {
				http.Error(w, "want JSON", http.StatusBadRequest)
				return
			}
			say(posted{At: now(), Body: body})
			w.WriteHeader(http.StatusNoContent)
		})}
	return server.ListenAndServe()
}
