// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"sync"
)

// coldWork is how much the first page of a kind costs, in rounds of a hash:
// about 0.3 seconds of a core, as building a theme or parsing templates does.
const coldWork = 700_000

// warmth remembers which kinds of page this process has shown already. It is
// lost with the process, so that every new pod starts cold.
type warmth struct {
	mu    sync.Mutex
	kinds map[string]*sync.Once
}

func (w *warmth) kind(name string) *sync.Once {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kinds == nil {
		w.kinds = map[string]*sync.Once{}
	}
	if w.kinds[name] == nil {
		w.kinds[name] = new(sync.Once)
	}
	return w.kinds[name]
}

// heat does the work of the first page of a kind.
func (s *Server) heat(kind string) {
	s.warm.kind(kind).Do(func() {
		s.coldPages.Add(1)
		_, _ = pbkdf2.Key(sha256.New, kind, []byte("cold"), coldWork, 32)
	})
}
