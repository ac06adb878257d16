// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"time"
)

// victim is something that a node or a cloud may lose at any time.
type victim struct {
	name string
	// namespace and pod tell the pod whose container is killed; a victim without
	// them is a program of the local cluster.
	namespace, pod string
	// otherwise is killed when there is no such pod.
	otherwise string
}

const (
	managerVictim    = "gradus-manager"
	productionVictim = "gradus-production"
	watchdogVictim   = "gradus-watchdog"
)

// moment is when a victim is to be killed, counted from when the plan was applied.
type moment struct {
	After  time.Duration
	Victim string
}

// moments draws the kills of one upgrade: the same seed and round give the same
// ones. Victims are drawn in turns of all, so that each has its share; what lies
// between two kills is two thirds to four thirds of every.
func moments(seed uint64, round int, every, until time.Duration, victims []string) []moment {
	chance := rand.New(rand.NewPCG(seed, uint64(round)))
	var out []moment
	var turn []int
	for at := time.Duration(0); ; {
		at += every*2/3 + time.Duration(chance.Int64N(int64(every*2/3)))
		if at > until {
			return out
		}
		if len(turn) == 0 {
			turn = chance.Perm(len(victims))
		}
		out = append(out, moment{After: at.Round(time.Millisecond), Victim: victims[turn[0]]})
		turn = turn[1:]
	}
}
