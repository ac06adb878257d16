// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Flow is a connection that the node let through.
type Flow struct {
	At time.Time
	// From and To are addresses; To is where it went when its Service was resolved.
	From, To string
	// Port at To; empty where there are none.
	Port string
}

// ReadFlows reads what the kernel told of new connections, from lines such as
//
//	[1764392245.123456]	    [NEW] tcp      6 120 SYN_SENT src=10.244.0.5 dst=10.96.0.10 sport=40000 dport=53
//	    [UNREPLIED] src=10.244.0.7 dst=10.244.0.5 sport=53 dport=40000
//
// (one line each). Other lines are gaps: the record broke off there and began anew.
func ReadFlows(record io.Reader, since time.Time) (flows []Flow, gaps []string, err error) {
	lines := bufio.NewScanner(record)
	for lines.Scan() {
		flow, ok := readFlow(lines.Text())
		switch {
		case !ok:
			gaps = append(gaps, "the record of connections says: "+lines.Text())
		case !flow.At.Before(since):
			flows = append(flows, flow)
		}
	}
	return flows, gaps, lines.Err()
}

func readFlow(line string) (Flow, bool) {
	stamp, rest, _ := strings.Cut(strings.TrimPrefix(line, "["), "]")
	at, err := strconv.ParseFloat(stamp, 64)
	there, back, ok := strings.Cut(rest, "[UNREPLIED]")
	if err != nil || !ok || !strings.Contains(there, "[NEW]") {
		return Flow{}, false
	}
	seconds, fraction := math.Modf(at)
	f := Flow{
		At:   time.Unix(int64(seconds), int64(fraction*1e9)),
		From: word(there, "src"), To: word(back, "src"), Port: word(back, "sport"),
	}
	return f, f.From != "" && f.To != ""
}

// word gives the value of NAME=VALUE.
func word(line, name string) string {
	for _, w := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(w, name+"="); ok {
			return value
		}
	}
	return ""
}

// Fence is where the connections of copies went.
type Fence struct {
	// Inside counts those that stayed in the namespace, Names those to the
	// cluster's DNS.
	Inside, Names int
	// Tried counts those by which the first container of a pod found that its
	// network was not closed yet. Nothing else runs in a pod before it is.
	Tried int
	// Objections are the others.
	Objections []string
}

// Fence judges every connection that a pod of a copy made or may have made.
func (r Roll) Fence(flows []Flow) Fence {
	var f Fence
	for _, flow := range flows {
		senders, receivers := r.At(flow.From, flow.At), r.At(flow.To, flow.At)
		switch {
		case len(senders) == 0 && !known(r, flow.From): // the node itself
		case len(senders) > 0 && !slices.ContainsFunc(senders, func(s Stay) bool { return s.Copy }):
		case every(senders, receivers, func(sender, s Stay) bool { return s.Namespace == sender.Namespace }):
			f.Inside++
		case flow.Port == "53" && every(senders, receivers, func(_, s Stay) bool { return s.Namespace == "kube-system" }):
			f.Names++
		case len(senders) > 0 && !slices.ContainsFunc(senders, func(s Stay) bool { return s.closed(flow.At) }):
			f.Tried++
		default:
			f.Objections = append(f.Objections, fmt.Sprintf("%s at %s, %s to %s:%s %s",
				flow.From, flow.At.UTC().Format(time.TimeOnly), senders.names(), flow.To, flow.Port, receivers.names()))
		}
	}
	return f
}

// every says whether something is true of whoever may have sent and whoever may have received.
func every(senders, receivers Roll, is func(sender, receiver Stay) bool) bool {
	for _, sender := range senders {
		if slices.ContainsFunc(receivers, func(s Stay) bool { return !is(sender, s) }) {
			return false
		}
	}
	return len(senders) > 0 && len(receivers) > 0
}

// closed says whether the pod had found its network closed. Kubernetes tells
// when a container ended in whole seconds.
func (s Stay) closed(at time.Time) bool {
	return !s.Closed.IsZero() && !at.Before(s.Closed.Add(time.Second))
}
