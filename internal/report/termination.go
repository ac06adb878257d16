// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package report reads what the agent told: the termination message of a pod
// and the documents in its log. Both come out of a pod that ran code of others,
// so nothing in them is believed beyond its bounds. It is pure.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

// Bounds of a result, so that a hostile one cannot fill our status or memory.
const (
	maxTermination = 4096 // what a kubelet ever keeps
	maxResult      = 4 << 20
	maxFacts       = 4096
	maxFindings    = 1024
	maxActions     = 1024
	maxText        = 1024
)

var (
	// ErrNoTermination says that the pod ended without a message: it was killed, or another program ran in it.
	ErrNoTermination = errors.New("read termination message: it is empty")

	reasonForm   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,63}$`)
	documentForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,190}$`)
	digestForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseTermination reads a termination message.
func ParseTermination(b []byte) (task.Result, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return task.Result{}, ErrNoTermination
	}
	if len(b) > maxTermination {
		return task.Result{}, fmt.Errorf("read termination message: %d bytes, at most %d are allowed", len(b), maxTermination)
	}
	r, err := parse(b)
	if err != nil {
		return task.Result{}, fmt.Errorf("read termination message: %w", err)
	}
	return r, nil
}

// ParseResult reads the whole result, the document ResultDocument.
func ParseResult(b []byte) (task.Result, error) {
	if len(b) > maxResult {
		return task.Result{}, fmt.Errorf("read result: %d bytes, at most %d are allowed", len(b), maxResult)
	}
	r, err := parse(b)
	if err != nil {
		return task.Result{}, fmt.Errorf("read result: %w", err)
	}
	return r, nil
}

func parse(b []byte) (task.Result, error) {
	var r task.Result
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return r, errors.New("text after its end")
	}
	if err := sane(&r); err != nil {
		return task.Result{}, err
	}
	return r, nil
}

// sane refuses what no agent of ours writes, and shortens what may be long.
func sane(r *task.Result) error {
	if !reasonForm.MatchString(r.Reason) {
		return fmt.Errorf("the reason %q is not one", message.Clip(r.Reason, 40))
	}
	if r.OK != (r.Reason == task.Succeeded) {
		return errors.New("verdict and reason contradict each other")
	}
	if len(r.Facts) > maxFacts || len(r.Findings) > maxFindings || len(r.Actions) > maxActions ||
		len(r.Documents) > task.MaxDocuments {
		return errors.New("it has too many entries")
	}
	r.Message = clean(r.Message)
	for k, v := range r.Facts {
		r.Facts[k] = clean(v)
	}
	if err := saneFindings(r.Findings); err != nil {
		return err
	}
	for i := range r.Actions {
		r.Actions[i].Name, r.Actions[i].Reason = clean(r.Actions[i].Name), clean(r.Actions[i].Reason)
	}
	return saneDocuments(r.Documents)
}

func saneFindings(findings []task.Finding) error {
	for i := range findings {
		f := &findings[i]
		if f.Severity != task.Info && f.Severity != task.Warning && f.Severity != task.Blocking {
			return fmt.Errorf("a finding has the unknown severity %q", message.Clip(string(f.Severity), 40))
		}
		f.Code, f.Component, f.Message = clean(f.Code), clean(f.Component), clean(f.Message)
	}
	return nil
}

func saneDocuments(docs []task.Document) error {
	seen := map[string]bool{}
	for _, d := range docs {
		switch {
		case !documentForm.MatchString(d.Name):
			return fmt.Errorf("a document has the name %q", message.Clip(d.Name, 40))
		case seen[d.Name]:
			return fmt.Errorf("the document %s is there twice", d.Name)
		case d.Size < 0 || d.Size > task.MaxDocument:
			return fmt.Errorf("the document %s has %d bytes", d.Name, d.Size)
		case !digestForm.MatchString(d.SHA256):
			return fmt.Errorf("the document %s has no digest", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

// clean makes a text fit for a status: bounded, valid, and without control
// characters that could paint over a terminal.
func clean(s string) string {
	out := make([]rune, 0, min(len(s), maxText))
	n := 0
	for _, c := range s {
		if c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == utf8.RuneError {
			c = ' '
		}
		if n += utf8.RuneLen(c); n > maxText {
			break
		}
		out = append(out, c)
	}
	return string(out)
}
