// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

// Outcome is what an exit code means.
type Outcome string

// The closed list of outcomes. Pending, Locked and Retry are answers, not
// failures: whether they are wanted is for Command.Want to say.
const (
	OK      Outcome = "OK"
	Pending Outcome = "Pending" // an upgrade is waiting to be run
	Locked  Outcome = "Locked"  // another run holds the product's lock
	Retry   Outcome = "Retry"   // not now; nothing was changed
	Warned  Outcome = "Warned"  // done, with something to look at
	Failed  Outcome = "Failed"
)

// Command runs a program of the image. There is no shell between us and it.
type Command struct {
	Argv    []string          `json:"argv"`
	Env     map[string]string `json:"env,omitempty"`
	WorkDir string            `json:"workDir,omitempty"`
	// EnvFiles sets variables from mounted secret files; their values are scrubbed from all output.
	EnvFiles map[string]string `json:"envFiles,omitempty"`
	// StdinFile is fed to the command, for tools that read a password there.
	StdinFile string `json:"stdinFile,omitempty"`
	// ExitCodes maps codes to outcomes; by default 0 is OK and all others Failed.
	ExitCodes map[int]Outcome `json:"exitCodes,omitempty"`
	// Patterns correct the outcome by what was printed (codes lie: see Moodle's rc 1); the first match counts.
	Patterns []Pattern `json:"patterns,omitempty"`
	// Success lists expressions that must all be found when the outcome is OK, else it is Failed.
	Success []string `json:"success,omitempty"`
	// Want lists the outcomes with which the action is OK; empty means OK and Warned.
	Want []Outcome `json:"want,omitempty"`
	// Capture records facts: name to an expression whose first group is the value.
	Capture map[string]string `json:"capture,omitempty"`
	// CaptureJSON records facts from JSON on stdout: name to a path ("database.release").
	CaptureJSON map[string]string `json:"captureJSON,omitempty"`
	// JSON keeps stdout, which must be JSON, as a document of its own.
	JSON *JSONDocument `json:"jsonDocument,omitempty"`
	// Secret output is kept out of logs and documents; only captures are recorded.
	Secret bool `json:"secret,omitempty"`
	// Grace is the time between SIGTERM and SIGKILL; 0 means 10s.
	Grace Duration `json:"grace,omitempty"`
}

// JSONDocument is output for machines: not streamed, written in canonical form.
type JSONDocument struct {
	Name string `json:"name"`
	// Redact are expressions over keys whose values are secrets.
	Redact []string `json:"redact,omitempty"`
}

// Stream tells where a pattern looks.
type Stream string

// Streams; the empty one means both.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Pattern gives printed text a meaning. ANSI colours are stripped before it is applied, per line.
type Pattern struct {
	Stream  Stream  `json:"stream,omitempty"`
	Match   string  `json:"match"`
	Outcome Outcome `json:"outcome"`
}

// Known is one failure of the product's catalogue, told as a person would say it.
type Known struct {
	// Reason is the CamelCase code, e.g. MaxInputVars.
	Reason string `json:"reason"`
	// Match is an expression over one line of either stream; groups may be used in the message as {1}.
	Match string `json:"match"`
	// Message is one sentence: what it is and what to do.
	Message string `json:"message"`
	// Where has a pointer to the fact behind it, e.g. MDL-69460.
	Where string `json:"where,omitempty"`
}
