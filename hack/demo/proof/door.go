// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Page is what a witness of the door saw when it got the holding page.
const Page = "page"

// Look is one request of a user at the live door.
type Look struct {
	At  time.Time `json:"at"`
	Saw string    `json:"saw"`
}

// Phase is a time in which every request saw the same.
type Phase struct {
	Saw         string
	First, Last time.Time
	Looks       int
}

// Door is what users saw, in order.
type Door []Phase

// ReadDoor reads the log of a witness from a point in time on. Lines that are
// not whole are left out: the log may end in the middle of one.
func ReadDoor(log string, since time.Time) Door {
	var looks []Look
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var l Look
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Saw != "" && !l.At.Before(since) {
			looks = append(looks, l)
		}
	}
	slices.SortFunc(looks, func(a, b Look) int { return a.At.Compare(b.At) })
	var door Door
	for _, l := range looks {
		if n := len(door); n > 0 && door[n-1].Saw == l.Saw {
			door[n-1].Last = l.At
			door[n-1].Looks++
			continue
		}
		door = append(door, Phase{Saw: l.Saw, First: l.At, Last: l.At, Looks: 1})
	}
	return door
}

// Outage is the time from the first request that did not get the site to the
// first one that got it for good.
func (d Door) Outage(from, to string) time.Duration {
	var begun, ended time.Time
	for _, p := range d {
		if p.Saw != from && p.Saw != to && begun.IsZero() {
			begun = p.First
		}
		if p.Saw == to {
			ended = p.First
		}
	}
	if begun.IsZero() || ended.Before(begun) {
		return 0
	}
	return ended.Sub(begun)
}

// Objections lists what users should not have seen: anything but the old
// release, the holding page, the new release, in this order.
func (d Door) Objections(from, to string) []string {
	var out []string
	stage := 0
	order := []string{from, Page, to}
	for _, p := range d {
		at := slices.Index(order, p.Saw)
		switch {
		case at < 0:
			out = append(out, fmt.Sprintf("%d requests from %s on: %s", p.Looks, p.First.Format(time.TimeOnly), p.Saw))
		case at < stage:
			out = append(out, fmt.Sprintf("%s again at %s, after %s", p.Saw, p.First.Format(time.TimeOnly), order[stage]))
		default:
			stage = at
		}
	}
	if stage < 2 {
		out = append(out, "the site was never seen to serve "+to)
	}
	return out
}

// Count adds up the requests that saw something.
func (d Door) Count(saw string) int {
	n := 0
	for _, p := range d {
		if p.Saw == saw {
			n += p.Looks
		}
	}
	return n
}
