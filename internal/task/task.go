// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package task is the contract between the operator, which decides what a Job
// shall do, and the agent, which does it inside that Job's pod. It holds data
// and pure functions only: no clock, no client, no process.
package task

import (
	"encoding/json"
	"fmt"
	"time"
)

// What a pod of ours looks like; builders and agent must agree on these.
const (
	// EnvTask carries the task as JSON. It never holds a secret: pods can be read by many.
	EnvTask = "GRADUS_TASK"
	// EnvSecrets names the variables of the container whose values are secret, with commas between.
	EnvSecrets = "GRADUS_SECRETS"
	// BinDir is the emptyDir into which our image copies its binary.
	BinDir = "/gradus/bin"
	// Binary is the agent inside an image that is not ours.
	Binary = BinDir + "/gradus"
	// OutDir is the emptyDir shared by the containers run and report.
	OutDir = "/gradus/out"
	// TmpDir is a scratch emptyDir: sockets, servers started for a proof, HOME.
	TmpDir = "/gradus/tmp"
	// TerminationPath is the kubelet's default.
	TerminationPath = "/dev/termination-log"
)

// Task is what one Job does: few, fat Jobs, as each costs a second and a dozen writes.
type Task struct {
	// Actions run in order; the first failure stops all that are not Always.
	Actions []Action `json:"actions"`
	// Known are the product's known failures; a failed command is explained by the first that matches.
	Known []Known `json:"known,omitempty"`
}

// Action is one thing to do. Exactly one of the pointers is set.
type Action struct {
	// Name is unique in the task and prefixes the facts ("<name>.<fact>").
	Name string `json:"name"`
	// Deadline bounds the action; 0 means DefaultDeadline.
	Deadline Duration `json:"deadline,omitempty"`
	// Always runs the action also after a failure (put things back, collect evidence).
	Always bool `json:"always,omitempty"`
	// Advisory records a failure as a finding of severity Warning and goes on.
	Advisory bool `json:"advisory,omitempty"`

	Command        *Command        `json:"command,omitempty"`
	Version        *Version        `json:"version,omitempty"`
	Plugins        *Plugins        `json:"plugins,omitempty"`
	Query          *Query          `json:"query,omitempty"`
	Execute        *Execute        `json:"execute,omitempty"`
	Count          *Count          `json:"count,omitempty"`
	Sessions       *Sessions       `json:"sessions,omitempty"`
	Recover        *Recover        `json:"recover,omitempty"`
	Dump           *Dump           `json:"dump,omitempty"`
	VerifyDump     *VerifyDump     `json:"verifyDump,omitempty"`
	Restore        *Restore        `json:"restore,omitempty"`
	Rename         *Rename         `json:"rename,omitempty"`
	RotatePassword *RotatePassword `json:"rotatePassword,omitempty"`
	HashTree       *HashTree       `json:"hashTree,omitempty"`
	CopyTree       *CopyTree       `json:"copyTree,omitempty"`
	LinkTree       *LinkTree       `json:"linkTree,omitempty"`
	Clear          *Clear          `json:"clear,omitempty"`
	Probe          *Probe          `json:"probe,omitempty"`
}

// DefaultDeadline bounds an action that names none: nothing waits for ever.
const DefaultDeadline = 10 * time.Minute

// Kind names the one thing that the action does, or "" when none or several are set.
func (a Action) Kind() string {
	kind, n := "", 0
	for _, c := range []struct {
		name string
		set  bool
	}{
		{"command", a.Command != nil}, {"version", a.Version != nil}, {"plugins", a.Plugins != nil},
		{"query", a.Query != nil}, {"execute", a.Execute != nil}, {"count", a.Count != nil},
		{"sessions", a.Sessions != nil}, {"recover", a.Recover != nil}, {"dump", a.Dump != nil},
		{"verifyDump", a.VerifyDump != nil}, {"restore", a.Restore != nil}, {"rename", a.Rename != nil},
		{"rotatePassword", a.RotatePassword != nil}, {"hashTree", a.HashTree != nil},
		{"copyTree", a.CopyTree != nil}, {"linkTree", a.LinkTree != nil}, {"clear", a.Clear != nil},
		{"probe", a.Probe != nil},
	} {
		if c.set {
			kind, n = c.name, n+1
		}
	}
	if n != 1 {
		return ""
	}
	return kind
}

// Limit is the time that the action may take.
func (a Action) Limit() time.Duration {
	if a.Deadline > 0 {
		return time.Duration(a.Deadline)
	}
	return DefaultDeadline
}

// Encode is the value of GRADUS_TASK.
func (t Task) Encode() (string, error) {
	if err := t.Validate(); err != nil {
		return "", err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode task: %w", err)
	}
	return string(b), nil
}

// Duration is a time.Duration that reads "90s" in JSON and YAML.
type Duration time.Duration

// MarshalJSON writes the Go form, "1m30s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads the Go form; a bare number would leave the unit to guesswork.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read duration %s: want a string such as \"90s\"", b)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("read duration %q: %w", s, err)
	}
	if v < 0 {
		return fmt.Errorf("read duration %q: must not be negative", s)
	}
	*d = Duration(v)
	return nil
}
