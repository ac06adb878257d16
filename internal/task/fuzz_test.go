// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// A task that is accepted is the same after it was handed on.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"actions":[{"name":"wait","command":{"argv":["true"]}}]}`,
		`{"actions":[{"name":"cron","command":{"argv":["php","cron.php"],"exitCodes":{"1":"Retry"},"capture":{"n":"(\\d+)"}},"timeout":"5m"}]}`,
		`{"actions":[{"name":"d","dump":{"database":{"host":"db","name":"campus"},"dir":"/backup","name":"one"}}]}`,
		`{}`, `{"actions":[]}`, `{"unheardOf":1}`, "null", "{}{}", `{"actions":[{}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := Decode(text)
		if err != nil {
			return
		}
		encoded, err := first.Encode()
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if len(encoded) > MaxTask {
			return
		}
		again, err := Decode([]byte(encoded))
		if err != nil {
			t.Fatalf("accepted once and not again: %v", err)
		}
		a, _ := json.Marshal(first)
		b, _ := json.Marshal(again)
		if string(a) != string(b) {
			t.Fatalf("handed on it is another:\n%s\n%s", a, b)
		}
	})
}

// A result is shortened until it fits, and its verdict stays.
func FuzzEncodeTermination(f *testing.F) {
	f.Add(true, Succeeded, "done", "version.database", "4.5.6", "Gone", 3)
	f.Add(false, "CountsDiffer", "posts\x00\xff: 99", "count.posts", "99", "", 500)
	f.Fuzz(func(t *testing.T, ok bool, reason, message, fact, value, code string, n int) {
		r := Result{OK: ok, Reason: reason, Message: message, Facts: map[string]string{}}
		for i := range min(max(n, 0), 2000) {
			r.Facts[fact+string(rune('a'+i%26))] = value
			r.Findings = append(r.Findings, Finding{Severity: Blocking, Code: code, Message: message})
			r.Actions = append(r.Actions, ActionResult{Name: fact, Reason: code})
			r.Documents = append(r.Documents, Document{Name: fact, SHA256: value})
		}
		text := EncodeTermination(r)
		if len(text) > MaxTermination {
			t.Fatalf("%d bytes", len(text))
		}
		var back Result
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("it cannot be read: %v", err)
		}
		if back.OK != ok {
			t.Fatal("another verdict")
		}
	})
}

// A line of a log, whatever is in it, is explained by a message of bounded length.
func FuzzExplain(f *testing.F) {
	catalogue, err := NewCatalogue([]Known{
		{Match: `permission denied for (\w+) (.*)`, Reason: "NoRight", Message: "give the right on {1} {2}"},
		{Match: `(?i)out of (memory|disk)`, Reason: "NoRoom", Message: "more {1}"},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range []string{
		"\x1b[31mERROR\x1b[0m permission denied for table mdl_user", "Out of memory", "permission denied for schema {2}{1}",
		"", "\x1b[", "\x00\xff\n", "permission denied for x \x1b[9999999999m",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		i, reason, message, ok := catalogue.Explain(line)
		if !ok {
			return
		}
		if i >= len(catalogue) || reason == "" || len(message) > 2048 {
			t.Fatalf("%d %q %d bytes", i, reason, len(message))
		}
		if utf8.ValidString(line) && !utf8.ValidString(message) {
			t.Fatalf("the message is cut within a letter: %q", message)
		}
	})
}
