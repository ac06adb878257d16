// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/agent/process"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

const (
	keepLog    = 2 << 20 // of a command's output as a document
	keepStdout = 8 << 20 // of stdout for captures and JSON
)

// listener reads what a command prints, line by line, as it comes.
type listener struct {
	spec       task.Command
	page       *evidence.Page
	catalogue  task.Catalogue
	patterns   []*regexp.Regexp
	success    []*regexp.Regexp
	found      []bool
	capture    map[string]*regexp.Regexp
	captured   map[string]string
	log        *process.Tail
	stdout     strings.Builder
	overflow   bool
	pattern    int // index of the first pattern that matched, or -1
	known      int // index of the best known failure, or -1
	reason     string
	message    string
	last, lerr string
	jsonErr    error
}

func newListener(spec task.Command, known task.Catalogue, p *evidence.Page) (*listener, error) {
	l := &listener{spec: spec, page: p, catalogue: known, pattern: -1, known: -1, log: process.NewTail(keepLog),
		captured: map[string]string{}, found: make([]bool, len(spec.Success))}
	for _, pt := range spec.Patterns {
		re, err := compile(pt.Match)
		if err != nil {
			return nil, err
		}
		l.patterns = append(l.patterns, re)
	}
	for _, s := range spec.Success {
		re, err := compile(s)
		if err != nil {
			return nil, err
		}
		l.success = append(l.success, re)
	}
	var err error
	l.capture, err = compileAll(spec.Capture)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func compile(expr string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, task.FailBecause(err, task.InvalidTask, "compile %q", expr)
	}
	return re, nil
}

// quietly tells whether the output is for no log.
func (l *listener) quietly() bool { return l.spec.Secret || l.spec.JSON != nil }

// line takes one line of either stream.
func (l *listener) line(stderr bool, text string) {
	text = strings.TrimRight(task.StripANSI(text), " \t\r")
	if !stderr {
		if l.stdout.Len()+len(text) < keepStdout {
			l.stdout.WriteString(text)
			l.stdout.WriteByte('\n')
		} else {
			l.overflow = true
		}
	}
	l.match(stderr, text)
	if text == "" || (l.spec.Secret || (l.spec.JSON != nil && !stderr)) {
		return
	}
	clean := l.page.Clean(text)
	l.last = clean
	mark := ""
	if stderr {
		l.lerr, mark = clean, "stderr: "
	}
	fmt.Fprintf(l.log, "%s%s\n", mark, clean)
	l.page.Progress("%s%s", mark, clean)
}

func (l *listener) match(stderr bool, text string) {
	for i, re := range l.patterns {
		if l.counts(i, stderr) && re.MatchString(text) {
			l.pattern = i
		}
	}
	for i, re := range l.success {
		l.found[i] = l.found[i] || re.MatchString(text)
	}
	l.take(text)
	if i, reason, message, ok := l.catalogue.Explain(text); ok && (l.known < 0 || i < l.known) {
		l.known, l.reason, l.message = i, reason, message
	}
}

// counts says whether a pattern is for this stream and comes before what matched so far.
func (l *listener) counts(i int, stderr bool) bool {
	stream := l.spec.Patterns[i].Stream
	return (l.pattern < 0 || i < l.pattern) && (stream == "" || (stream == task.Stderr) == stderr)
}

// take captures what was not captured yet.
func (l *listener) take(text string) {
	for k, re := range l.capture {
		if _, have := l.captured[k]; have {
			continue
		}
		if m := re.FindStringSubmatch(text); m != nil {
			l.captured[k] = m[1]
		}
	}
}

// keep writes down what was heard when the command is over.
func (l *listener) keep() error {
	all := l.stdout.String()
	l.take(all) // what a pattern did not find in one line it may find in several
	l.jsonErr = l.readJSON(all)
	for k, v := range l.captured {
		l.page.Fact(k, v)
	}
	if len(l.log.Head()) == 0 {
		return nil
	}
	text := append([]byte{}, l.log.Head()...)
	if l.log.Lost > 0 {
		text = fmt.Appendf(text, "\n… %d bytes left out …\n", l.log.Lost)
	}
	return l.page.Document("log", append(text, l.log.Last()...))
}

// readJSON takes facts and a document from stdout.
func (l *listener) readJSON(all string) error {
	if len(l.spec.CaptureJSON) == 0 && l.spec.JSON == nil {
		return nil
	}
	if l.overflow {
		return fmt.Errorf("printed more than %d bytes", keepStdout)
	}
	var v any
	d := json.NewDecoder(strings.NewReader(all))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("did not print JSON: %w", err)
	}
	for k, path := range l.spec.CaptureJSON {
		if s, ok := lookUp(v, strings.Split(path, ".")); ok {
			l.captured[k] = s
		}
	}
	if l.spec.JSON == nil {
		return nil
	}
	v, err := redact(v, l.spec.JSON.Redact)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(v, "", " ") // keys are sorted: two of these can be compared
	if err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	return l.page.Document(l.spec.JSON.Name, b)
}

// judge gives the outcome: by what was printed, else by the exit code.
func (l *listener) judge(exit process.Exit) (task.Outcome, string) {
	o, why := task.Failed, fmt.Sprintf("ended with exit code %d", exit.Code)
	if exit.Signal != "" {
		why = "was ended by a signal (" + exit.Signal + ")"
	} else if mapped, ok := l.spec.ExitCodes[exit.Code]; ok {
		o = mapped
	} else if exit.Code == 0 {
		o = task.OK
	}
	if l.pattern >= 0 && exit.Signal == "" {
		o = l.spec.Patterns[l.pattern].Outcome
	}
	if o != task.OK && o != task.Warned {
		return o, why
	}
	for i, ok := range l.found {
		if !ok {
			return task.Failed, fmt.Sprintf("ended with exit code %d, but did not say %q", exit.Code, l.spec.Success[i])
		}
	}
	if l.jsonErr != nil {
		return task.Failed, l.jsonErr.Error()
	}
	return o, why
}

func (l *listener) lastLine() string {
	if l.quietly() {
		return "(not shown)"
	}
	if l.last == "" {
		return "nothing"
	}
	return message.Clip(l.last, 200)
}

func (l *listener) lastError() string {
	if l.lerr != "" {
		return message.Clip(l.lerr, 200)
	}
	return message.Clip(l.last, 200)
}
