// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/quick"
	"time"
)

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"nothing":                  {"", "decode task"},
		"no actions":               {`{}`, "no actions"},
		"an unknown field":         {`{"actions":[{"name":"a","comand":{}}]}`, "unknown field"},
		"text after the end":       {`{"actions":[{"name":"a","command":{"argv":["x"]}}]} x`, "after its end"},
		"an action of no kind":     {`{"actions":[{"name":"a"}]}`, "exactly one kind"},
		"an action of two kinds":   {`{"actions":[{"name":"a","command":{"argv":["x"]},"sessions":{"database":{}}}]}`, "exactly one kind"},
		"a name twice":             {`{"actions":[{"name":"a","command":{"argv":["x"]}},{"name":"a","command":{"argv":["x"]}}]}`, "twice"},
		"a name with a slash":      {`{"actions":[{"name":"../a","command":{"argv":["x"]}}]}`, "use letters"},
		"an empty command":         {`{"actions":[{"name":"a","command":{"argv":[]}}]}`, "command.argv"},
		"a bare number as time":    {`{"actions":[{"name":"a","deadline":5,"command":{"argv":["x"]}}]}`, "duration"},
		"a time before now":        {`{"actions":[{"name":"a","deadline":"-5s","command":{"argv":["x"]}}]}`, "negative"},
		"an unknown outcome":       {`{"actions":[{"name":"a","command":{"argv":["x"],"exitCodes":{"1":"Maybe"}}}]}`, "outcome"},
		"a broken expression":      {`{"actions":[{"name":"a","command":{"argv":["x"],"success":["("]}}]}`, "command.success[0]"},
		"a capture of nothing":     {`{"actions":[{"name":"a","command":{"argv":["x"],"capture":{"v":"x"}}}]}`, "no group"},
		"a dump outside":           {`{"actions":[{"name":"a","dump":{"database":{},"dir":"/b","name":"../x"}}]}`, "dump.name"},
		"a rename to itself":       {`{"actions":[{"name":"a","rename":{"database":{"name":"postgres"},"live":"x","replacement":"x","replaced":"y"}}]}`, "must differ"},
		"a rename of the own":      {`{"actions":[{"name":"a","rename":{"database":{"name":"x"},"live":"x","replacement":"z","replaced":"y"}}]}`, "connect to another"},
		"a copy onto itself":       {`{"actions":[{"name":"a","copyTree":{"from":"/a","to":"/a/","kind":"Manifested"}}]}`, "the same"},
		"a recover in a recover":   {`{"actions":[{"name":"a","recover":{"dataDir":"/d","actions":[{"name":"b","recover":{"dataDir":"/d","actions":[{"name":"c","sessions":{"database":{}}}]}}]}}]}`, "within a recover"},
		"a nested action is wrong": {`{"actions":[{"name":"a","recover":{"dataDir":"/d","actions":[{"name":"b","command":{"argv":[]}}]}}]}`, "recover.actions[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestEncodeAndDecode(t *testing.T) {
	in := Task{Actions: []Action{{Name: "a", Deadline: Duration(90 * time.Second), Command: &Command{Argv: []string{"x"},
		ExitCodes: map[int]Outcome{2: Pending}}}}}
	text, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := Decode([]byte(text))
	if err != nil || fmt.Sprint(out.Actions[0].Limit()) != "1m30s" || out.Actions[0].Command.ExitCodes[2] != Pending {
		t.Errorf("%+v, %v", out, err)
	}
}

// Whatever a result holds, its termination message fits, is JSON, and keeps the verdict.
func TestTerminationAlwaysFits(t *testing.T) {
	check := func(r Result) bool {
		for i := range r.Actions {
			r.Actions[i].Took = 1 // nothing takes a negative time
		}
		r.Documents = append(
			[]Document{{Name: ResultDocument, Size: 1 << 20, SHA256: strings.Repeat("a", 64)}},
			r.Documents...)
		b := EncodeTermination(r)
		var back Result
		if err := json.Unmarshal(b, &back); err != nil || len(b) > MaxTermination {
			return false
		}
		return back.OK == r.OK
	}
	if err := quick.Check(check, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
	big := Result{Reason: "CountsDiffer", Message: strings.Repeat("ü\"", 500), Facts: map[string]string{}}
	for i := range 300 {
		big.Facts[fmt.Sprint(i)] = strings.Repeat("x", 100)
		big.Findings = append(big.Findings, Finding{Severity: Info, Code: "I", Message: strings.Repeat("<", 400)})
		big.Actions = append(big.Actions, ActionResult{Name: fmt.Sprint(i), OK: true})
		big.Documents = append(big.Documents, Document{Name: fmt.Sprint(i), SHA256: strings.Repeat("b", 64)})
	}
	big.Findings = append(big.Findings, Finding{Severity: Blocking, Code: "B", Message: "rows are missing"})
	if !check(big) {
		t.Fatal("does not fit")
	}
	var back Result
	big.Documents = append([]Document{{Name: ResultDocument, Size: 9, SHA256: strings.Repeat("a", 64)}}, big.Documents...)
	if err := json.Unmarshal(EncodeTermination(big), &back); err != nil {
		t.Fatal(err)
	}
	if !back.Truncated || len(back.Documents) != 1 || back.Documents[0].Name != ResultDocument ||
		back.Findings[0].Code != "B" {
		t.Errorf("%+v", back)
	}
}

func TestCataloguePrecedence(t *testing.T) {
	c, err := NewCatalogue(
		[]Known{{Reason: "A", Match: "one (.*)", Message: "got {1}"}, {Reason: "B", Match: "one", Message: "b"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if i, reason, message, ok := c.Explain("\x1b[1mone two\x1b[0m"); !ok || i != 0 || reason != "A" ||
		message != "got two" {
		t.Errorf("%d %s %s", i, reason, message)
	}
	if i, reason, _, _ := c.Explain("one"); i != 1 || reason != "B" {
		t.Errorf("%d %s", i, reason)
	}
}

func TestWithDatabasesReachesAllAndSparesTheOriginal(t *testing.T) {
	db := Database{Name: "x"}
	in := []Action{{Query: &Query{Database: db}}, {Execute: &Execute{Database: db}}, {Count: &Count{Database: db}},
		{Sessions: &Sessions{Database: db}}, {Dump: &Dump{Database: db}}, {Restore: &Restore{Database: db}},
		{Rename: &Rename{Database: db}}, {RotatePassword: &RotatePassword{Database: db}},
		{Version: &Version{Database: &db}}, {Plugins: &Plugins{Database: &db}},
		{HashTree: &HashTree{Referenced: &Referenced{Database: db}}},
		{Recover: &Recover{Actions: []Action{{Count: &Count{Database: db}}}}}}
	for _, a := range in {
		before, _ := json.Marshal(a)
		out, _ := json.Marshal(a.WithDatabases(func(d *Database) { d.Name = "changed" }))
		after, _ := json.Marshal(a)
		if !bytes.Equal(before, after) || !bytes.Contains(out, []byte("changed")) {
			t.Errorf("%s became %s, the original %s", before, out, after)
		}
	}
}
