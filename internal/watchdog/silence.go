// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import "time"

// Silence measures for how long a record has not changed. It uses the
// watchdog's own clock, so the clocks of others do not matter, and counts only
// time during which the API server answered: an outage of the API server is
// nobody's silence.
type Silence struct {
	record string
	// at is the last poll that was answered; zero after one that was not.
	at     time.Time
	failed int
	total  time.Duration
	// Longest that one interval may count: a watchdog that was itself asleep
	// does not know what happened meanwhile.
	Longest time.Duration
}

// Heard notes an answer: what the record is at a moment.
func (s *Silence) Heard(record string, now time.Time) {
	s.failed = 0
	switch {
	case record != s.record:
		s.record, s.total = record, 0
	case !s.at.IsZero():
		s.total += min(max(now.Sub(s.at), 0), s.Longest)
	}
	s.at = now
}

// Missed notes a poll without an answer. Two in a row begin the count anew:
// the holder could not renew either, and now has its full time.
func (s *Silence) Missed() {
	s.at = time.Time{}
	if s.failed++; s.failed >= 2 {
		s.total = 0
	}
}

// Total is how long nobody changed the record.
func (s *Silence) Total() time.Duration { return s.total }
