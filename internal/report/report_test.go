// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/internal/task"
)

func doc(name string, b []byte) task.Document {
	sum := sha256.Sum256(b)
	return task.Document{Name: name, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
}

func frame(t testing.TB, name string, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := task.WriteDocument(&out, doc(name, b), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestParseTermination(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want string // part of the error; "" is none
	}{
		"a plain success":             {`{"ok":true,"reason":"Succeeded","message":"all done"}`, ""},
		"a plain failure":             {`{"ok":false,"reason":"MaxInputVars","message":"raise it"}`, ""},
		"an unknown field is allowed": {`{"ok":false,"reason":"X","message":"","later":1}`, ""},
		"nothing":                     {" \n", "empty"},
		"no JSON":                     {"Killed", "invalid character"},
		"cut JSON":                    {`{"ok":false,"reason":"X"`, "unexpected EOF"},
		"two values":                  {`{"ok":false,"reason":"X"}{}`, "text after its end"},
		"a reason that is a text":     {`{"ok":false,"reason":"it broke"}`, "is not one"},
		"a success with a failure":    {`{"ok":true,"reason":"CommandFailed"}`, "contradict"},
		"an unknown severity":         {`{"ok":false,"reason":"X","findings":[{"severity":"Fatal"}]}`, "severity"},
		"a document elsewhere":        {`{"ok":false,"reason":"X","documents":[{"name":"../etc/passwd"}]}`, "the name"},
		"a document without digest":   {`{"ok":false,"reason":"X","documents":[{"name":"a","size":1}]}`, "no digest"},
		"too long":                    {`{"ok":false,"reason":"X","message":"` + strings.Repeat("x", 5000) + `"}`, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTermination([]byte(c.in))
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
	if _, err := ParseTermination(nil); !errors.Is(err, ErrNoTermination) {
		t.Errorf("error is %v, want ErrNoTermination", err)
	}
}

func TestControlCharactersAreTakenOut(t *testing.T) {
	r, err := ParseTermination([]byte(`{"ok":false,"reason":"X","message":"a\u001b[2Jb"}`))
	if err != nil || r.Message != "a [2Jb" {
		t.Errorf("message is %q, %v", r.Message, err)
	}
}

func TestReadDocuments(t *testing.T) {
	a, b := []byte("hello\n"), make([]byte, 300<<10)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	whole := "noise\n" + frame(t, "a", a) + "more noise\n" + frame(t, "b", b) + "end\n"
	want := []task.Document{doc("a", a), doc("b", b)}
	swap := strings.Replace(whole, "H4sI", "H4sJ", 1)
	for name, c := range map[string]struct {
		log     string
		missing string
	}{
		"both are there":               {whole, ""},
		"with the line ends of others": {strings.ReplaceAll(whole, "\n", "\r\n"), ""},
		"a log that was cut":           {whole[:len(whole)/2], "b"},
		"a document that was changed":  {swap, "a"},
		"a damaged one, then a good":   {swap + whole, ""},
		"an empty log":                 {"", "a, b"},
		"no end":                       {strings.Replace(whole, task.FrameEnd+"b", "x", 1), "b"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadDocuments(strings.NewReader(c.log), want)
			if (err == nil) != (c.missing == "") {
				t.Fatalf("error is %v, want missing %q", err, c.missing)
			}
			if err != nil && !strings.HasSuffix(err.Error(), ": "+c.missing) {
				t.Errorf("error is %v, want missing %q", err, c.missing)
			}
			if c.missing == "" && (!bytes.Equal(got["a"], a) || !bytes.Equal(got["b"], b)) {
				t.Error("documents are not what was written")
			}
		})
	}
}

func TestReadGivesTheWholeResult(t *testing.T) {
	whole := task.Result{Reason: "CountsDiffer", Message: "rows are missing"}
	for i := range 150 {
		whole.Findings = append(whole.Findings, task.Finding{Severity: task.Blocking, Code: "CountsDiffer",
			Component: fmt.Sprint(i), Message: strings.Repeat("y", 100)})
	}
	a := []byte("[]")
	whole.Documents = []task.Document{doc("a", a)}
	b, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	short := whole
	short.Documents = append([]task.Document{doc(task.ResultDocument, b)}, whole.Documents...)
	message := task.EncodeTermination(short)
	if len(message) > task.MaxTermination {
		t.Fatalf("termination message has %d bytes", len(message))
	}
	log := frame(t, task.ResultDocument, b) + frame(t, "a", a)
	r, docs, err := Read(message, strings.NewReader(log))
	if err != nil || len(r.Findings) != 150 || !bytes.Equal(docs["a"], a) {
		t.Errorf("read %d findings and %d documents, %v", len(r.Findings), len(docs), err)
	}
	r, _, err = Read(message, strings.NewReader(""))
	if err == nil || r.Reason != "CountsDiffer" || len(r.Findings) == 0 {
		t.Errorf("without a log: %v, %v", r, err)
	}
}

func TestClassify(t *testing.T) {
	known := []task.Known{
		{Reason: "First", Match: "max_input_vars must be at least ([0-9]+)", Message: "set it to {1}"},
		{Reason: "Second", Match: "(?i)out of memory", Message: "more memory"},
	}
	got, err := Classify(
		[]byte("x\n\x1b[31mOut of memory\x1b[0m\nmax_input_vars must be at least 5000.\nout of memory\n"),
		known,
	)
	if err != nil || len(got) != 2 || got[0].Code != "First" || got[0].Message != "set it to 5000" {
		t.Errorf("got %v, %v", got, err)
	}
}
