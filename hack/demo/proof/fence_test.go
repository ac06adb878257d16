// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// As conntrack of Debian 12 prints them.
const record = `[1790000004.000100]	    [NEW] tcp      6 120 SYN_SENT src=10.244.0.4 dst=10.96.0.1 sport=40100 dport=443 [UNREPLIED] src=10.89.0.2 dst=10.244.0.4 sport=6443 dport=40100
[1790000010.250000]	    [NEW] udp      17 30 src=10.244.0.4 dst=10.96.0.10 sport=40000 dport=53 [UNREPLIED] src=10.244.0.2 dst=10.244.0.4 sport=53 dport=40000
[1790000011.500000]	    [NEW] tcp      6 120 SYN_SENT src=10.244.0.4 dst=10.96.7.7 sport=40001 dport=5432 [UNREPLIED] src=10.244.0.5 dst=10.244.0.4 sport=5432 dport=40001
conntrack v1.4.7 (conntrack-tools): Operation failed: No buffer space available
[1790000012.000000]	    [NEW] icmp     1 30 src=10.244.0.4 dst=10.244.0.9 type=8 code=0 id=1 [UNREPLIED] src=10.244.0.9 dst=10.244.0.4 type=0 code=0 id=1
`

func TestReadFlows(t *testing.T) {
	at := func(s, ms int) time.Time { return time.Unix(1790000000+int64(s), int64(ms)*1e6) }
	flows, gaps, err := ReadFlows(strings.NewReader(record), at(9, 0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range flows {
		flows[i].At = flows[i].At.Round(time.Millisecond)
	}
	want := []Flow{
		{At: at(10, 250), From: "10.244.0.4", To: "10.244.0.2", Port: "53"},
		{At: at(11, 500), From: "10.244.0.4", To: "10.244.0.5", Port: "5432"},
		{At: at(12, 0), From: "10.244.0.4", To: "10.244.0.9"},
	}
	if diff := cmp.Diff(want, flows); diff != "" {
		t.Errorf("flows (-want +got):\n%s", diff)
	}
	if len(gaps) != 1 || !strings.Contains(gaps[0], "No buffer space") {
		t.Errorf("want one gap, got %q", gaps)
	}
}

func TestFence(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 11, 22, 10, 0, s, 0, time.UTC) }
	roll := Roll{
		{Namespace: "campus", Pod: "db", IP: "10.0.0.1", From: at(0)},
		{Namespace: "kube-system", Pod: "coredns", IP: "10.0.0.2", From: at(0)},
		{Namespace: "copy", Copy: true, Pod: "web", IP: "10.0.0.3", From: at(0), Closed: at(5)},
		{Namespace: "copy", Copy: true, Pod: "db", IP: "10.0.0.4", From: at(0), Closed: at(5)},
		{Namespace: "other", Copy: true, Pod: "db", IP: "10.0.0.5", From: at(0), Closed: at(5)},
		{Namespace: "copy", Copy: true, Pod: "late", IP: "10.0.0.6", From: at(0)},
		{Namespace: "campus", Pod: "cron", IP: "10.0.0.7", From: at(0), Until: at(10)},
	}
	for name, c := range map[string]struct {
		flow Flow
		want Fence
	}{
		"inside":                    {Flow{at(9), "10.0.0.3", "10.0.0.4", "5432"}, Fence{Inside: 1}},
		"names":                     {Flow{at(9), "10.0.0.3", "10.0.0.2", "53"}, Fence{Names: 1}},
		"before it was closed":      {Flow{at(4), "10.0.0.3", "10.9.0.9", "6443"}, Fence{Tried: 1}},
		"in the second it closed":   {Flow{at(5), "10.0.0.3", "10.9.0.9", "6443"}, Fence{Tried: 1}},
		"never closed":              {Flow{at(50), "10.0.0.6", "10.9.0.9", "6443"}, Fence{Tried: 1}},
		"the live site's own":       {Flow{at(9), "10.0.0.7", "10.0.0.1", "5432"}, Fence{}},
		"the node":                  {Flow{at(9), "10.0.0.99", "10.0.0.3", "8080"}, Fence{}},
		"to the live database":      {Flow{at(9), "10.0.0.3", "10.0.0.1", "5432"}, Fence{Objections: []string{"10.0.0.3 at 10:00:09, copy/web to 10.0.0.1:5432 campus/db"}}},
		"to another copy":           {Flow{at(9), "10.0.0.3", "10.0.0.5", "5432"}, Fence{Objections: []string{"10.0.0.3 at 10:00:09, copy/web to 10.0.0.5:5432 other/db"}}},
		"to DNS, and not for names": {Flow{at(9), "10.0.0.3", "10.0.0.2", "80"}, Fence{Objections: []string{"10.0.0.3 at 10:00:09, copy/web to 10.0.0.2:80 kube-system/coredns"}}},
		"to nobody":                 {Flow{at(9), "10.0.0.3", "192.0.2.1", "25"}, Fence{Objections: []string{"10.0.0.3 at 10:00:09, copy/web to 192.0.2.1:25 "}}},
		"nobody knows whose":        {Flow{at(20), "10.0.0.7", "10.0.0.1", "5432"}, Fence{Objections: []string{"10.0.0.7 at 10:00:20,  to 10.0.0.1:5432 campus/db"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, roll.Fence([]Flow{c.flow})); diff != "" {
				t.Errorf("fence (-want +got):\n%s", diff)
			}
		})
	}
}
