// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDoor(t *testing.T) {
	log := `{"at":"2026-11-22T10:00:00Z","saw":"1.0"}
{"at":"2026-11-22T10:00:02Z","saw":"page"}
{"at":"2026-11-22T10:00:01Z","saw":"1.0"}
{"at":"2026-11-22T10:00:40Z","saw":"page"}
{"at":"2026-11-22T10:00:41Z","saw":"2.0"}
{"at":"2026-11-22T10:00:4`
	door := ReadDoor(log, time.Time{})
	if got := len(door); got != 3 {
		t.Fatalf("want 3 phases, got %d: %v", got, door)
	}
	if got := door.Outage("1.0", "2.0"); got != 39*time.Second {
		t.Errorf("want an outage of 39s, got %s", got)
	}
	if got := door.Objections("1.0", "2.0"); len(got) > 0 {
		t.Errorf("want no objection, got %q", got)
	}
	for name, c := range map[string]struct{ saw, want string }{
		"an error":          {"500 Site is being upgraded", "500 Site"},
		"the old one again": {"1.0", "1.0 again"},
		"nobody answers":    {"no answer: refused", "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := append(Door{}, door...)
			bad = append(bad, Phase{Saw: c.saw, Looks: 1})
			if got := strings.Join(bad.Objections("1.0", "2.0"), "; "); !strings.Contains(got, c.want) {
				t.Errorf("want %q among objections, got %q", c.want, got)
			}
		})
	}
	if got := door[:1].Objections("1.0", "2.0"); len(got) != 1 {
		t.Errorf("want one objection to a site that never served 2.0, got %q", got)
	}
}

func TestStrangers(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 11, 22, 10, 0, s, 0, time.UTC) }
	roll := Roll{
		{Namespace: "campus", Pod: "cron", IP: "10.0.0.5", From: at(0), Until: at(10)},
		{Namespace: "copy", Copy: true, Pod: "web", IP: "10.0.0.5", From: at(20)},
		{Namespace: "copy", Copy: true, Pod: "db", IP: "10.0.0.6", From: at(0)},
	}
	got := roll.Strangers([]Connection{
		{From: "10.0.0.5", At: at(5)},  // the site
		{From: "10.0.0.5", At: at(30)}, // the copy that has its address now
		{From: "10.0.0.6", At: at(7)},  // the copy
		{From: "10.0.0.1", At: at(7)},  // the node
		{From: "10.0.0.5", At: at(15)}, // nobody knows
	})
	want := []string{"10.0.0.5 at 10:00:30, copy/web", "10.0.0.6 at 10:00:07, copy/db", "10.0.0.5 at 10:00:15, "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("strangers (-want +got):\n%s", diff)
	}
}

func TestMostPodsAtOnce(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }
	stay := func(pod string, from, until int) Stay {
		s := Stay{Namespace: "campus", Pod: pod, From: at(from)}
		if until > 0 {
			s.Until = at(until)
		}
		return s
	}
	roll := Roll{
		stay("campus-web-a", 0, 5), stay("campus-web-b", 0, 5), stay("campus-web-c", 0, 5), // before
		stay("campus-web-d", 6, 0), stay("campus-web-e", 6, 0), stay("campus-web-f", 9, 12), stay("campus-cron-a", 9, 0),
	}
	if got := roll.Most("campus", "campus-web", at(7)); got != 3 {
		t.Errorf("%d pods, want 3", got)
	}
	if got := roll.Most("campus", "campus-web", at(13)); got != 2 {
		t.Errorf("%d pods after the third went, want 2", got)
	}
}
