// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// blindLimit is how long a run may hold a site, closed and reversible, without
// seeing it, or without being able to say what it sees. It is more than steps
// have that fail.
const blindLimit = 12 * time.Minute

// rightsLimit is how long a run that holds nothing yet asks again for what it may
// not read, before that counts as missing: an API server that starts knows no roles.
const rightsLimit = 30 * time.Second

// Sights remembers since when runs see nothing. Such a run can judge no step and
// put nothing back. It lets its lease run out, so that its watchdog opens the
// site. The memory is the process's own: what cannot be written is no place for it.
type Sights struct {
	lock  sync.Mutex
	blind map[types.UID]time.Time
}

// unseen is an error for which a run could not look at its site.
type unseen struct{ error }

func (u unseen) Unwrap() error { return u.error }

// note keeps what became of a reconcile: err is how its walk ended, settled how
// the write of its status did.
func (s *Sights) note(owner client.Object, err, settled error, now time.Time) {
	var blind unseen
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.blind == nil {
		s.blind = map[types.UID]time.Time{}
	}
	switch _, known := s.blind[owner.GetUID()]; {
	case !errors.As(err, &blind) && (err != nil || settled == nil):
		delete(s.blind, owner.GetUID())
	case !known:
		s.blind[owner.GetUID()] = now
	}
}

// lost says that a run has seen nothing for too long.
func (s *Sights) lost(owner client.Object, now time.Time) bool {
	return s.blindFor(owner, now) >= blindLimit
}

// blindFor is how long a run has seen nothing.
func (s *Sights) blindFor(owner client.Object, now time.Time) time.Duration {
	s.lock.Lock()
	defer s.lock.Unlock()
	if since, blind := s.blind[owner.GetUID()]; blind {
		return now.Sub(since)
	}
	return 0
}
