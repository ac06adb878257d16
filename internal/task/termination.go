// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"encoding/json"

	"github.com/gradus-lms/gradus/internal/message"
)

// MaxTermination bounds the termination message. The kubelet shares 12 KiB
// among all containers of a pod, 2048 bytes each with six of them.
const MaxTermination = 2048

// ResultDocument is the document with the whole Result; the termination
// message names its size and digest, so it is as trustworthy as the message.
const ResultDocument = "result.json"

// EncodeTermination shortens a result until it fits, and never cuts JSON: the
// verdict, its message and the digest of the whole result always stay.
func EncodeTermination(r Result) []byte {
	r.Message = message.Clip(r.Message, 400)
	r.Reason = message.Clip(r.Reason, 64)
	if b, ok := fits(r); ok {
		return b
	}
	r.Truncated = true
	for _, cut := range []func(*Result){
		func(r *Result) { r.Findings = shortFindings(r.Findings, 8, 120) },
		func(r *Result) { r.Actions = failedOnly(r.Actions) },
		func(r *Result) { r.Documents = resultOnly(r.Documents) },
		func(r *Result) { r.Findings = shortFindings(r.Findings, 3, 80) },
		func(r *Result) { r.Facts = shortFacts(r.Facts, 64) },
		func(r *Result) { r.Facts = nil },
		func(r *Result) { r.Actions = nil },
		func(r *Result) { r.Findings = nil },
		func(r *Result) { r.Message = message.Clip(r.Message, 100) },
	} {
		cut(&r)
		if b, ok := fits(r); ok {
			return b
		}
	}
	b, _ := json.Marshal(Result{OK: r.OK, Reason: r.Reason, Truncated: true})
	return b
}

func fits(r Result) ([]byte, bool) {
	b, err := json.Marshal(r)
	return b, err == nil && len(b) <= MaxTermination
}

// shortFindings keeps the blocking ones first.
func shortFindings(in []Finding, n, length int) []Finding {
	var out []Finding
	for _, s := range []Severity{Blocking, Warning, Info} {
		for _, f := range in {
			if f.Severity == s && len(out) < n {
				f.Message = message.Clip(f.Message, length)
				out = append(out, f)
			}
		}
	}
	return out
}

func failedOnly(in []ActionResult) []ActionResult {
	var out []ActionResult
	for _, a := range in {
		if !a.OK && a.Reason != NotRun {
			out = append(out, a)
		}
	}
	return out
}

func resultOnly(in []Document) []Document {
	for _, d := range in {
		if d.Name == ResultDocument {
			return []Document{d}
		}
	}
	return nil
}

func shortFacts(in map[string]string, length int) map[string]string {
	out := make(map[string]string, len(in))
	for k, v := range in {
		if len(v) <= length {
			out[k] = v
		}
	}
	return out
}
