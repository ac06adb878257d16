// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// chronicle is what scenarios write without faults.
type chronicle struct {
	lock sync.Mutex
	of   map[string]Story
}

func (s *chronicle) add(name string, story Story) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.of == nil {
		s.of = map[string]Story{}
	}
	s.of[name] = story
}

// story of a scenario; others may be noted meanwhile.
func (s *chronicle) story(name string) Story {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.of[name]
}

// wrote notes what a scenario writes.
func (s *chronicle) wrote(of Scenario, ref Result) {
	var story Story
	for _, call := range ref.Writes() {
		if call.Seq <= ref.Marked {
			story.Marked++
		}
		story.Writes = append(story.Writes, fmt.Sprint(call.Site, " ", call.N))
		story.At = append(story.At, call.At)
	}
	s.add(of.Name, story)
}

// covered wants every place that writes to be come to, and, when every write was
// crashed, every write of every scenario to be crashed, in it or in another one that
// begins alike.
func (s *summary) covered(t *testing.T) {
	t.Helper()
	crashing := slices.ContainsFunc(asked(), func(f family) bool { return slices.Contains(f.kinds, gate.CrashBefore) })
	all := crashing && *which != "sample" && *every == 1
	written, crashed := map[string]bool{}, map[string]bool{}
	for _, story := range s.told.of {
		for i, at := range story.At {
			written[at] = true
			crashed[at] = crashed[at] || i >= story.Marked
		}
	}
	covered(t, written, crashed, all)
	for _, name := range slices.Sorted(maps.Keys(s.told.of)) {
		for _, write := range uncrashed(s.told.of, name) {
			if beyond[name] == "" {
				t.Errorf("%s: no plan crashed its write: %s", name, write)
			}
		}
	}
}

// uncrashed gives the writes of a story before its mark that no scenario crashes: those
// of another one are crashed for it as far as both begin alike.
func uncrashed(all map[string]Story, name string) []string {
	story := all[name]
	end := story.Marked
	var out []string
	for end > 0 {
		from := end
		for other, o := range all {
			if other != name && o.Marked < from && alike(story, o, end) {
				from = o.Marked
			}
		}
		if from == end { // nobody else comes here
			end--
			out = append(out, story.Writes[end])
			continue
		}
		end = from
	}
	slices.Reverse(out)
	return out
}

// alike says whether two stories begin with the same so many writes.
func alike(a, b Story, n int) bool {
	return len(a.Writes) >= n && len(b.Writes) >= n && slices.Equal(a.Writes[:n], b.Writes[:n])
}

// beyond are scenarios whose beginning nobody else tells, and why it is not broken.
var beyond = map[string]string{}
