// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// family is kinds of faults that meet in runs. A crash that comes later heals what a
// lost answer or a stale cache left in memory: they are told apart from each other.
type family struct {
	name  string
	kinds []gate.Kind
	// brief: one is over with the next request, and costs the story a moment.
	brief bool
}

// size is how many plans of it one run tells.
func (f family) size() int {
	if f.brief {
		return cmp.Or(*perRun, 48)
	}
	return cmp.Or(*perRun, 16)
}

// families of all faults. Absences are told alone where a site is closed: what comes of
// them depends on when. One refusal for want of rights (403) is among the answers: an
// API server that starts knows no roles for a moment.
var families = []family{
	{name: "crashes", kinds: crashes},
	{name: "lost", brief: true, kinds: []gate.Kind{gate.LostAnswer, gate.Answer409}},
	{name: "answers", brief: true, kinds: []gate.Kind{
		gate.Answer403, gate.Answer429, gate.Answer500, gate.Answer503, gate.Delay,
	}},
	{name: "reads", brief: true, kinds: []gate.Kind{gate.Blind403, gate.Blind503}},
	{name: "rivals", kinds: []gate.Kind{gate.Squat, gate.Hold, gate.Mark, gate.Strip, gate.Touch}},
	// These are over before anybody gives up.
	{name: "lasting", kinds: []gate.Kind{gate.WatchdogAway, gate.Outage, gate.Late, gate.Again503}},
	// Caches that show what was.
	{name: "views", kinds: []gate.Kind{gate.Stale, gate.Missed, gate.TimeTravel, gate.Sleeper}},
	{name: "absences", kinds: []gate.Kind{gate.OperatorAway, gate.AllAway}},
	{name: "pairs", kinds: []gate.Kind{pairs}},
}

var crashes = []gate.Kind{gate.CrashBefore, gate.CrashAfter}

// asked gives the families that -faults names: by their names, or kinds of their own.
func asked() []family {
	switch *which {
	case "none":
		return nil
	case "sample", "chosen":
		return families[:1]
	case "all":
		return families
	}
	var out []family
	var own family
	for _, name := range strings.Split(*which, ",") {
		i := slices.IndexFunc(families, func(f family) bool { return f.name == name })
		if i >= 0 {
			out = append(out, families[i])
			continue
		}
		own.kinds = append(own.kinds, gate.Kind(name))
	}
	if len(own.kinds) > 0 {
		own.name = "kinds"
		out = append(out, own)
	}
	return out
}
