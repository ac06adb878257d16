// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"unicode/utf8"

	"github.com/gradus-lms/gradus/internal/task"
)

// What a pod says is never taken for a success unless it says so twice, and
// what is kept of it fits a status.
func FuzzParseTermination(f *testing.F) {
	for _, r := range []task.Result{
		{OK: true, Reason: task.Succeeded, Facts: map[string]string{"version.database": "4.5.6", "count.posts": "100, 2000"}},
		{Reason: "CountsDiffer", Message: "posts: 99 instead of 100"},
		{Reason: "PluginBroken", Findings: []task.Finding{{Severity: task.Blocking, Code: "Gone", Message: "mod_x"}}},
	} {
		f.Add(task.EncodeTermination(r))
	}
	for _, text := range []string{
		"", "null", "{}", "[]", `{"ok":true}`, `{"ok":true,"reason":"Succeeded"}{}`, `{"ok":"yes","reason":"Succeeded"}`,
		`{"ok":true,"reason":"CountsDiffer"}`, "Killed", `{"ok":false,"reason":"Succeeded"}`, `{"ok":true,"OK":false,"reason":"Succeeded"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseTermination(text)
		if err != nil {
			if r.OK || r.Reason != "" || r.Facts != nil {
				t.Fatalf("refused (%v) and believed all the same: %+v", err, r)
			}
			return
		}
		if r.OK != (r.Reason == task.Succeeded) {
			t.Fatalf("OK is %t and the reason %q", r.OK, r.Reason)
		}
		if len(r.Message) > maxText || !utf8.ValidString(r.Message) {
			t.Fatalf("the message does not fit a status: %q", r.Message)
		}
		for name, fact := range r.Facts {
			if len(name) > maxText || len(fact) > maxText || !utf8.ValidString(name) {
				t.Fatalf("the fact %q does not fit a status: %q", name, fact)
			}
		}
		again, err := ParseTermination(task.EncodeTermination(r))
		if err != nil || again.OK != r.OK || again.Reason != r.Reason {
			t.Fatalf("told again it is %+v (%v), and it was %+v", again, err, r)
		}
	})
}

// A log gives the document that was promised, whatever stands around it, and no other.
func FuzzReadDocuments(f *testing.F) {
	f.Add([]byte("counted 100 posts\n"), []byte("{\"ok\":true}"), []byte("bye\n"))
	f.Add([]byte(task.FramePrefix+"{}\n"), []byte{}, []byte(task.FrameEnd+"run.log\n"))
	f.Add([]byte(task.FrameEnd+"run.log\n"), bytes.Repeat([]byte("a"), 300), []byte("\xff\x00\r\n"))
	f.Fuzz(func(t *testing.T, before, content, after []byte) {
		sum := sha256.Sum256(content)
		want := task.Document{Name: "run.log", Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
		var frame bytes.Buffer
		if err := task.WriteDocument(&frame, want, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		noise := before
		if !bytes.Contains(before, []byte(task.FramePrefix)) {
			noise = append(bytes.Clone(before), '\n')
			log := append(append(bytes.Clone(noise), frame.Bytes()...), after...)
			out, err := ReadDocuments(bytes.NewReader(log), []task.Document{want})
			if err != nil || !bytes.Equal(out["run.log"], content) {
				t.Fatalf("the document is not found: %v", err)
			}
		}
		out, _ := ReadDocuments(bytes.NewReader(append(bytes.Clone(noise), after...)), []task.Document{want})
		if got, ok := out["run.log"]; ok && !bytes.Equal(got, content) {
			t.Fatalf("another document is believed: %q", got)
		}
	})
}
