// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault holds the switches that make Campus misbehave. All are off by default.
package fault

import (
	"os"
	"strings"
	"time"
)

const defaultFile = "/etc/campus/faults"

// Kinds of faults; CONTRACT.md §11 says what each one does.
const (
	MigrationFail = "migration-fail"
	MigrationSlow = "migration-slow"
	MigrationKill = "migration-kill"
	PluginBreak   = "plugin-break"
	TaskLoop      = "task-loop"
	PageSlow      = "page-slow"
	RowLoss       = "row-loss"
	CronMails     = "cron-mails"
	PendingNever  = "pending-never"
)

type rule struct{ kind, subject string }

// Set is the faults in force.
type Set struct{ rules []rule }

// Load reads CAMPUS_FAULTS and the faults file, which may be absent.
func Load(getenv func(string) string) Set {
	path := getenv("CAMPUS_FAULTS_FILE")
	if path == "" {
		path = defaultFile
	}
	text, _ := os.ReadFile(path)
	return Parse(getenv("CAMPUS_FAULTS") + "\n" + string(text))
}

// Parse reads faults that are separated by commas or line ends.
func Parse(text string) Set {
	var set Set
	for _, word := range strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == '\n' }) {
		kind, subject, _ := strings.Cut(strings.TrimSpace(word), "=")
		if kind != "" && !strings.HasPrefix(kind, "#") {
			set.rules = append(set.rules, rule{kind, subject})
		}
	}
	return set
}

// Is says whether the fault is on for exactly this subject.
func (s Set) Is(kind, subject string) bool {
	for _, r := range s.rules {
		if r.kind == kind && r.subject == subject {
			return true
		}
	}
	return false
}

// Subjects lists what a kind of fault was switched on for.
func (s Set) Subjects(kind string) []string {
	var found []string
	for _, r := range s.rules {
		if r.kind == kind {
			found = append(found, r.subject)
		}
	}
	return found
}

// Delay is how long the subject is slowed down: kind=subject:30s.
func (s Set) Delay(kind, subject string) time.Duration {
	for _, text := range s.Subjects(kind) {
		at := strings.LastIndex(text, ":")
		if at < 0 || text[:at] != subject {
			continue
		}
		if delay, err := time.ParseDuration(text[at+1:]); err == nil {
			return delay
		}
	}
	return 0
}

// DelayBelow is Delay for a path or any path below the subject.
func (s Set) DelayBelow(kind, path string) time.Duration {
	for _, text := range s.Subjects(kind) {
		subject, _, found := strings.Cut(text, ":")
		if found && strings.HasPrefix(path, subject) {
			return s.Delay(kind, subject)
		}
	}
	return 0
}
