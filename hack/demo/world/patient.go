// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"io"
	"net/http"
	"time"
)

const (
	// patience with an API server that is killed, or whose etcd is.
	patience = time.Minute
	// pause between two tries of a request.
	pause = 500 * time.Millisecond
)

// patient sends a request again that got no answer, or none of use, as a person
// would who waits for the API server. What the server names itself may then be
// there twice.
type patient struct{ next http.RoundTripper }

// RoundTrip asks until there is an answer.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for began := time.Now(); ; {
		answer, err := p.next.RoundTrip(r)
		useless := err != nil || answer.StatusCode >= http.StatusInternalServerError
		again := r.GetBody != nil || r.Body == nil || r.Body == http.NoBody
		if !useless || !again || r.Context().Err() != nil || time.Since(began) > patience {
			return answer, err
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(pause):
		}
		if r.GetBody != nil {
			r = r.Clone(r.Context())
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}
