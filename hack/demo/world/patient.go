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
		if useful(answer, err) || r.Context().Err() != nil || time.Since(began) > patience {
			return answer, err
		}
		next, ok := copyOf(r)
		if !ok {
			return answer, err
		}
		if answer != nil {
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(pause):
		}
		r = next
	}
}

func useful(answer *http.Response, err error) bool {
	return err == nil && answer.StatusCode < http.StatusInternalServerError
}

// copyOf gives a request that can be sent, if the body can be had again.
func copyOf(r *http.Request) (*http.Request, bool) {
	again := r.Clone(r.Context())
	if r.Body == nil || r.Body == http.NoBody {
		return again, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	var err error
	again.Body, err = r.GetBody()
	return again, err == nil
}
