// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// here does a task in this process.
func here(t *testing.T, tk task.Task) (task.Result, string, map[string]string) {
	t.Helper()
	dir, log := t.TempDir(), &bytes.Buffer{}
	book, err := evidence.Open(dir, log)
	must(t, err)
	r := Do(context.Background(), tk, book, t.TempDir())
	docs := map[string]string{}
	for _, d := range r.Documents {
		b, err := os.ReadFile(filepath.Join(dir, evidence.Documents, d.Name))
		must(t, err)
		docs[d.Name] = string(b)
	}
	return r, log.String(), docs
}

func shell(script string) task.Command { return task.Command{Argv: []string{"/bin/sh", "-c", script}} }

func with(c task.Command, change func(*task.Command)) task.Command {
	change(&c)
	return c
}

func TestCommandOutcomes(t *testing.T) {
	pending := task.Command{ExitCodes: map[int]task.Outcome{0: task.OK, 1: task.Failed, 2: task.Pending},
		Patterns: []task.Pattern{{Stream: task.Stdout, Match: "being upgraded", Outcome: task.Locked}}}
	as := func(script string) task.Command {
		c := pending
		c.Argv = shell(script).Argv
		return c
	}
	known := []task.Known{
		{Reason: "MaxInputVars", Match: "max_input_vars must be at least ([0-9]+)", Message: "set it to {1}"},
	}
	for name, c := range map[string]struct {
		command task.Command
		reason  string
		says    string
	}{
		"rc 0 is fine":                          {as("exit 0"), task.Succeeded, ""},
		"rc 2 is an answer, not wanted here":    {as("exit 2"), "UpgradePending", ""},
		"rc 2 is an answer, wanted there":       {with(as("exit 2"), func(c *task.Command) { c.Want = []task.Outcome{task.Pending} }), task.Succeeded, ""},
		"rc 1 with the lock's words is a lock":  {as("echo '!!! Site is being upgraded'; exit 1"), "UpgradeLocked", ""},
		"the words on the other stream are not": {as("echo being upgraded >&2; exit 1"), task.CommandFailed, "being upgraded"},
		"an unnamed code is a failure":          {as("exit 77"), task.CommandFailed, "77"},
		"rc 0 without the words of success":     {with(shell("echo Status: disabled"), func(c *task.Command) { c.Success = []string{"Status: enabled"} }), task.CommandFailed, "did not say"},
		"rc 0 with them, in colour":             {with(shell(`printf '\033[32mStatus: \033[0menabled\n'`), func(c *task.Command) { c.Success = []string{"^Status: enabled$"} }), task.Succeeded, ""},
		"a known failure is explained":          {shell("echo 'x max_input_vars must be at least 5000'; exit 1"), "MaxInputVars", "set it to 5000"},
		"a killed program":                      {shell("kill -9 $$"), task.CommandFailed, "killed"},
		"a program that is not there":           {task.Command{Argv: []string{"/no/such"}}, "CommandMissing", ""},
		"no JSON where JSON was promised":       {with(shell("echo hello"), func(c *task.Command) { c.CaptureJSON = map[string]string{"a": "a"} }), task.CommandFailed, "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, _ := here(t, task.Task{Known: known, Actions: []task.Action{{Name: "c", Command: &c.command}}})
			if r.Reason != c.reason || !strings.Contains(r.Message, c.says) {
				t.Errorf("result is %s: %s", r.Reason, r.Message)
			}
		})
	}
}

func TestADeadlineReachesTheWholeGroup(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "pid")
	c := shell("trap '' TERM; (trap '' TERM; sleep 300) & echo $! > " + mark + "; echo step 7 of 9; sleep 300")
	c.Grace = task.Duration(100 * time.Millisecond)
	began := time.Now()
	r, _, _ := here(
		t,
		task.Task{Actions: []task.Action{{Name: "c", Deadline: task.Duration(500 * time.Millisecond), Command: &c}}},
	)
	if r.Reason != task.DeadlineExceeded || !strings.Contains(r.Message, "step 7 of 9") ||
		!strings.Contains(r.Message, "/bin/sh") {
		t.Errorf("result is %s: %s", r.Reason, r.Message)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	pid, err := os.ReadFile(mark)
	must(t, err)
	// On a busy machine one that was killed needs a moment to go.
	for late := time.After(10 * time.Second); ; {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		select {
		case <-late:
			t.Fatalf("a child lives on: %s", state)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestSecretsAreScrubbed(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(secret, []byte("pa&ss wörd\n"), 0o600))
	c := shell(
		`echo "the password is $P"; echo "in colour: pa\033[1m&ss wörd"; echo "$P" >&2; printf '%s' "$P" | base64; exit 1`,
	)
	c.EnvFiles = map[string]string{"P": secret}
	c.Capture = map[string]string{"word": "is (.*)"}
	r, log, docs := here(t, task.Task{Actions: []task.Action{{Name: "c", Command: &c}}})
	all := log + r.Message + docs["c.log"] + r.Facts["c.word"]
	for _, form := range []string{"pa&ss", "cGEmc3Mgd8O2cmQ="} {
		if strings.Contains(all, form) {
			t.Errorf("%s is in %s", form, all)
		}
	}
	if !strings.Contains(docs["c.log"], "the password is (secret)") {
		t.Errorf("log is %s", docs["c.log"])
	}
}

func TestOutputIsBoundedAndKeepsBothEnds(t *testing.T) {
	c := shell("echo first line; yes abcdefghijklmnopqrstuvwxyz | head -c 20000000; echo; echo last line")
	r, _, docs := here(t, task.Task{Actions: []task.Action{{Name: "c", Command: &c}}})
	log := docs["c.log"]
	if !r.OK || len(log) > keepLog+1000 || !strings.HasPrefix(log, "first line") ||
		!strings.HasSuffix(log, "last line\n") {
		t.Errorf("%s, %d bytes", r.Message, len(log))
	}
}

func TestAJSONDocumentHidesSecrets(t *testing.T) {
	c := shell(
		`echo '{"smtp_password":"geheim","list":[{"name":"push_key","value":"123456"},{"name":"lang","value":"de"}],"code":{"release":"2.0","n":20250414001}}'`,
	)
	c.CaptureJSON = map[string]string{"version": "code.release", "n": "code.n", "second": "list.1.value"}
	c.JSON = &task.JSONDocument{Name: "settings.json", Redact: []string{"password|_key$"}}
	r, log, docs := here(t, task.Task{Actions: []task.Action{{Name: "c", Command: &c}}})
	doc := docs["c.settings.json"]
	if !r.OK || strings.Contains(doc+log, "geheim") || strings.Contains(doc+log, "123456") ||
		!strings.Contains(doc, `"de"`) {
		t.Errorf("%s: %s %s", r.Message, doc, log)
	}
	if r.Facts["c.version"] != "2.0" || r.Facts["c.n"] != "20250414001" || r.Facts["c.second"] != "de" {
		t.Errorf("facts are %v", r.Facts)
	}
}

func TestTheFirstFailureStopsAllButAlways(t *testing.T) {
	no, yes := shell("exit 1"), shell("exit 0")
	r, _, _ := here(t, task.Task{Actions: []task.Action{
		{Name: "advice", Advisory: true, Command: &no}, {Name: "a", Command: &no}, {Name: "b", Command: &yes},
		{Name: "undo", Always: true, Command: &yes}}})
	var got []string
	for _, a := range r.Actions {
		got = append(got, a.Name+":"+a.Reason)
	}
	if r.OK || strings.Join(got, " ") != "advice:CommandFailed a:CommandFailed b:NotRun undo:" ||
		!strings.HasPrefix(r.Message, "a: ") {
		t.Errorf("%s: %v", r.Message, got)
	}
}

func TestPluginsOnDisk(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o644))
	}
	write("lib/plugins.json", `{"standard":{"mod":["quiz"]},"deleted":{}}`)
	write("mod/quiz/version.php", "<?php\n$plugin->component = 'mod_quiz';\n$plugin->version = 2024100700;")
	write("local/x/version.php", `<?php
		// $plugin->version = 1; an old one
		$plugin->component = "local_x"; $plugin->version   = 2025010100.05;
		$plugin->requires = 2024100700; $plugin->incompatible = 501;
		$plugin->dependencies = ['mod_quiz' => 2024100700, 'local_y' => ANY_VERSION];`)
	write("vendor/z/version.php", "$plugin->component = 'local_z';")
	write("version.php", "<?php $version = 2024100706.00; $release = '4.5.6 (Build: 20250811)';")
	r, _, docs := here(t, task.Task{Actions: []task.Action{{Name: "p", Plugins: &task.Plugins{
		Tree: root, File: "version.php", Ignore: []string{"vendor"}, CoreFile: "lib/plugins.json", CoreKey: "standard",
		Fields: map[string]string{
			"name":         `\$plugin->component\s*=\s*['"]([a-z0-9_]+)`,
			"version":      `\$plugin->version\s*=\s*([0-9.]+)`,
			"requires":     `\$plugin->requires\s*=\s*([0-9.]+)`,
			"incompatible": `\$plugin->incompatible\s*=\s*([0-9]+)`,
			"dependencies": `(?s)\$plugin->dependencies\s*=\s*(?:array\s*\(|\[)(.*?)[)\]]\s*;`,
		}}}}})
	want := `[{"name":"local_x","version":"2025010100.05","requires":"2024100700","incompatible":"501",` +
		`"dependencies":{"local_y":"","mod_quiz":"2024100700"},"source":"Site"},{"name":"mod_quiz","version":"2024100700","source":"Core"}]`
	if !r.OK || docs["p.plugins.json"] != want {
		t.Errorf("%s\n%s\n%s", r.Message, docs["p.plugins.json"], want)
	}
}
