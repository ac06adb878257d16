// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

// Severity of a finding.
type Severity string

// Severities. Blocking makes the action fail.
const (
	Info     Severity = "Info"
	Warning  Severity = "Warning"
	Blocking Severity = "Blocking"
)

// Result is what a Job found. The termination message has a shortened one,
// the document named ResultDocument the whole.
type Result struct {
	OK bool `json:"ok"`
	// Reason is CamelCase, of the failure that counts; "Succeeded" when OK.
	Reason string `json:"reason"`
	// Message is one sentence for a person who knows the LMS and not Kubernetes.
	Message   string            `json:"message"`
	Facts     map[string]string `json:"facts,omitempty"`
	Findings  []Finding         `json:"findings,omitempty"`
	Actions   []ActionResult    `json:"actions,omitempty"`
	Documents []Document        `json:"documents,omitempty"`
	// Truncated tells that this is the shortened form and something was left out.
	Truncated bool `json:"truncated,omitempty"`
}

// Finding is one thing that a check saw.
type Finding struct {
	Severity  Severity `json:"severity"`
	Code      string   `json:"code"`
	Component string   `json:"component,omitempty"`
	Message   string   `json:"message"`
}

// ActionResult is what became of one action.
type ActionResult struct {
	Name   string   `json:"name"`
	OK     bool     `json:"ok"`
	Reason string   `json:"reason,omitempty"`
	Took   Duration `json:"took,omitempty"`
}

// Document is evidence that goes through the log of the container report.
type Document struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Reasons that any action may give; the profile's catalogue has more.
const (
	Succeeded        = "Succeeded"
	DeadlineExceeded = "DeadlineExceeded"
	CommandFailed    = "CommandFailed"
	InvalidTask      = "InvalidTask"
	NotRun           = "NotRun"
	Interrupted      = "Interrupted"
	DatabaseFailed   = "DatabaseFailed"
	CountsDiffer     = "CountsDiffer"
	SequenceBehind   = "SequenceBehind"
	VersionsDiffer   = "VersionsDiffer"
	VersionUnknown   = "VersionUnknown"
	NotEnoughSpace   = "NotEnoughSpace"
	NameConflict     = "NameConflict"
	SessionsLeft     = "SessionsLeft"
	HashMismatch     = "HashMismatch"
	BlobMissing      = "BlobMissing"
	CheckFailed      = "CheckFailed"
	PluginMissing    = "PluginMissing"
	RecoverFailed    = "RecoverFailed"
	NoResult         = "NoResult"
)
