// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"testing"
	"time"
)

func TestSilence(t *testing.T) {
	const poll = 5 * time.Second
	tests := map[string]struct {
		// polls: a letter is the record that was seen, a dot is no answer.
		polls string
		want  time.Duration
	}{
		"nothing seen":                             {"", 0},
		"seen once":                                {"a", 0},
		"the same record":                          {"aaaa", 3 * poll},
		"a renewed record":                         {"aaab", 0},
		"renewed, then silent":                     {"aaabbb", 2 * poll},
		"one missed poll adds nothing":             {"aaa.a", 2 * poll},
		"time around a missed poll does not count": {"aaa.aa", 3 * poll},
		"two missed polls begin anew":              {"aaaaaa..a", 0},
		"and then it counts again":                 {"aaaaaa..aa", poll},
		"missed polls apart from each other":       {"aa.aa.aa", 3 * poll},
		"five minutes without API are not silence": {"aa" + "............................................................" + "a", 0},
		"renewed while a poll was missed":          {"aaa.bb", poll},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, now := Silence{Longest: 2 * poll}, time.Unix(0, 0)
			for _, seen := range test.polls {
				now = now.Add(poll)
				if seen == '.' {
					s.Missed()
				} else {
					s.Heard(string(seen), now)
				}
			}
			if s.Total() != test.want {
				t.Errorf("silence is %s, want %s", s.Total(), test.want)
			}
		})
	}
}

func TestASleepingWatchdogCountsNoMoreThanTwoPolls(t *testing.T) {
	s, now := Silence{Longest: 10 * time.Second}, time.Unix(0, 0)
	s.Heard("a", now)
	s.Heard("a", now.Add(time.Hour))
	if s.Total() != 10*time.Second {
		t.Errorf("silence is %s", s.Total())
	}
	s.Heard("a", now) // a clock that went back
	if s.Total() != 10*time.Second {
		t.Errorf("silence is %s", s.Total())
	}
}
