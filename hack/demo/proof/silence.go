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

// Connection is one that the mail server accepted.
type Connection struct {
	At   time.Time `json:"at"`
	From string    `json:"from"`
	To   string    `json:"to"`
}

// ReadConnections reads the log of the witness before the mail server.
func ReadConnections(log string, since time.Time) []Connection {
	var out []Connection
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var c Connection
		if json.Unmarshal(lines.Bytes(), &c) == nil && c.From != "" && !c.At.Before(since) {
			out = append(out, c)
		}
	}
	return out
}

// Stay is a pod with its address for a time. Addresses are given again, so
// that a connection's sender is known by address and time together.
type Stay struct {
	Namespace, Pod, IP string
	// Copy says that the namespace is one of a copy.
	Copy        bool
	From, Until time.Time
	// Closed is when its first container had seen its network closed; zero:
	// not yet. A pod without such a container has its From.
	Closed time.Time
}

// Roll is every pod that was seen.
type Roll []Stay

// Copies names the namespaces of copies that were seen.
func (r Roll) Copies() map[string]bool {
	out := map[string]bool{}
	for _, s := range r {
		if s.Copy {
			out[s.Namespace] = true
		}
	}
	return out
}

// At gives the pods that may have had an address at a time.
func (r Roll) At(ip string, at time.Time) Roll {
	var out Roll
	for _, s := range r {
		// Watches tell a little late.
		const late = 2 * time.Second
		if s.IP == ip && !at.Before(s.From.Add(-late)) && (s.Until.IsZero() || !at.After(s.Until.Add(late))) {
			out = append(out, s)
		}
	}
	return out
}

// Strangers lists connections that a copy made, or may have made: its sender
// is told by address and time, and one that two pods may have made, or nobody
// that is known, counts.
func (r Roll) Strangers(connections []Connection) []string {
	var out []string
	for _, c := range connections {
		senders := r.At(c.From, c.At)
		if len(senders) == 0 && !known(r, c.From) {
			continue // the node itself: readiness probes
		}
		if len(senders) == 0 || slices.ContainsFunc(senders, func(s Stay) bool { return s.Copy }) {
			out = append(out, fmt.Sprintf("%s at %s, %s", c.From, c.At.Format(time.TimeOnly), senders.names()))
		}
	}
	return out
}

// names tells whose an address may have been.
func (r Roll) names() string {
	var who []string
	for _, s := range r {
		who = append(who, s.Namespace+"/"+s.Pod)
	}
	return strings.Join(who, " or ")
}

// known says whether an address was ever a pod's.
func known(r Roll, ip string) bool {
	return slices.ContainsFunc(r, func(s Stay) bool { return s.IP == ip })
}

// Most gives how many pods of a workload there were at once after a time.
func (r Roll) Most(namespace, workload string, after time.Time) int {
	most := 0
	for _, at := range r {
		moment := at.From
		if moment.Before(after) {
			moment = after
		}
		n := 0
		for _, s := range r {
			ours := s.Namespace == namespace && strings.HasPrefix(s.Pod, workload+"-")
			if ours && !s.From.After(moment) && (s.Until.IsZero() || s.Until.After(moment)) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
