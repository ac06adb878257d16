// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

func TestEveryBuiltInProfileLoads(t *testing.T) {
	for _, n := range Names() {
		p, err := Load(n)
		if err != nil {
			t.Errorf("%s: %v", n, err)
		}
		if p.Name != n || !strings.HasPrefix(p.Digest(), "sha256:") {
			t.Errorf("file %s.yaml has the profile %s, %s", n, p.Name, p.Digest())
		}
	}
	if _, err := Load("../secret"); !errors.Is(err, ErrUnknown) {
		t.Errorf("error is %v", err)
	}
}

func TestOverrideNeedsItsDigest(t *testing.T) {
	b, err := os.ReadFile("generic.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Override(b, digestOf(b))
	if err != nil || p.Digest() != digestOf(b) {
		t.Errorf("%s, %v", p.Digest(), err)
	}
	if _, err := Override(append(b, '\n'), digestOf(b)); err == nil {
		t.Error("another content was accepted")
	}
}

func TestValidationNamesTheField(t *testing.T) {
	b, err := os.ReadFile("campus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown field":             {"title: Campus", "titel: Campus", "titel"},
		"a field twice":                {"title: Campus", "title: Campus\ntitle: X", "already set"},
		"another format":               {"gradus-profile/1", "gradus-profile/9", "format:"},
		"an unknown placeholder":       {"'{{mailSink}}'", "'{{mailSlot}}'", "unknown placeholder {{mailSlot}}"},
		"a value in SQL":               {"SELECT count(*) FROM {{prefix}}courses", "SELECT {{value}} FROM x", "integrity.equal.courses"},
		"two statements":               {"SELECT count(*) FROM {{prefix}}courses", "SELECT 1; DROP TABLE x", "give one statement"},
		"a verb that is missing":       {"  restore: {builtin: true}\n", "", "verbs.restore"},
		"a verb that nobody knows":     {"  restore: {builtin: true}\n", "  restore: {builtin: true}\n  explode: {builtin: true}\n", "verbs.explode"},
		"a verb done in two ways":      {"  restore: {builtin: true}\n", "  restore: {builtin: true, none: x}\n", "verbs.restore"},
		"an unknown image":             {"image: Current", "image: Latest", "image"},
		"an unknown outcome":           {"2: Pending}", "2: Perhaps}", "verbs.pending.actions"},
		"releases in disorder":         {`version: "1.5"`, `version: "0.5"`, "releases[1].version"},
		"a path outside the data root": {"[cache, localcache", "[../cache, localcache", "paths"},
		"a prefix with a quote":        {"tablePrefix: cmp_", "tablePrefix: \"x'\"", "tablePrefix"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(b), c.old, c.new, 1)
			if text == string(b) {
				t.Fatalf("%q is not in the file", c.old)
			}
			_, err := Override([]byte(text), digestOf([]byte(text)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

var params = Params{
	URL:      "https://copy.example",
	FromURL:  "https://old.example",
	BaseURL:  "http://web",
	MailSink: "sink:25",
	Keep:     "smoke,admin",
	Setting:  "lang",
	Value:    "--x; rm -rf /",
	Target:   "2.0",
	Scale:    2,
	Reader:   task.Database{Host: "db", Name: "campus", CredentialsDir: "/reader"},
	Owner:    task.Database{Host: "db", Name: "campus", CredentialsDir: "/owner"},
}

func TestEveryVerbOfEveryProfileBuilds(t *testing.T) {
	for _, n := range Names() {
		p := load(t, n)
		for name, v := range p.Verbs {
			tk, image, err := p.VerbTask(name, params)
			if len(v.Actions) == 0 {
				if !errors.Is(err, ErrNone) {
					t.Errorf("%s %s: error is %v", n, name, err)
				}
				continue
			}
			if err != nil || image == "" {
				t.Errorf("%s %s: %v", n, name, err)
			}
			b, _ := json.Marshal(tk.Actions)
			if strings.Contains(string(b), "{{") {
				t.Errorf("%s %s: a placeholder is left in %s", n, name, b)
			}
		}
	}
}

func TestValuesStayWithinTheirArgument(t *testing.T) {
	tk, _, err := load(t, "campus").VerbTask(SetSettingVerb, params)
	if err != nil {
		t.Fatal(err)
	}
	c := tk.Actions[0]
	if len(c.Command.Argv) != 5 || c.Command.Argv[4] != params.Value || c.Limit() != time.Minute {
		t.Errorf("command is %v, at most %s", c.Command.Argv, c.Limit())
	}
	bad := params
	bad.Setting = "--help"
	if _, _, err := load(t, "campus").VerbTask(SetSettingVerb, bad); err == nil {
		t.Error("an option was taken for the name of a setting")
	}
	bad = params
	bad.Prefix = "x; DROP TABLE y"
	if _, _, err := load(t, "moodle").VerbTask(NeutraliseVerb, bad); err == nil {
		t.Error("SQL was taken for a prefix")
	}
}

func TestDatabasesByRole(t *testing.T) {
	tk, _, err := load(t, "moodle").VerbTask(NeutraliseVerb, params)
	if err != nil || tk.Actions[0].Execute.Database.CredentialsDir != "/owner" {
		t.Errorf("%+v, %v", tk, err)
	}
	tk, _, err = load(t, "moodle").VerbTask(AssertNeutralVerb, params)
	if err != nil || tk.Actions[0].Count.Database.CredentialsDir != "/reader" {
		t.Errorf("%+v, %v", tk, err)
	}
}

// The exit code of an upgrade is no proof: pending, lock and version are.
func TestUpgradeCarriesItsEvidence(t *testing.T) {
	for _, n := range []string{"campus", "moodle"} {
		tk, image, err := load(t, n).UpgradeTask(params)
		if err != nil || image != TargetImage {
			t.Fatalf("%s: %s, %v", n, image, err)
		}
		var got []string
		for _, a := range tk.Actions {
			got = append(got, a.Name)
		}
		if strings.Join(got, " ") != "upgrade pending lock version upgrade-log" || len(tk.Known) == 0 {
			t.Errorf("%s: actions are %v", n, got)
		}
		if v := tk.Actions[3].Version; v.Want != "2.0" || v.Database.CredentialsDir != "/reader" {
			t.Errorf("%s: version is %+v", n, v)
		}
		b, _ := json.Marshal(tk.Actions[0])
		for _, trap := range []string{"maintenance=", "purge-missing", "allow-unstable"} {
			if strings.Contains(string(b), trap) {
				t.Errorf("%s: the upgrade has %s", n, trap)
			}
		}
	}
	if _, _, err := load(t, "generic").UpgradeTask(params); !errors.Is(err, ErrNone) {
		t.Errorf("generic: %v", err)
	}
}

// The plan says how long an upgrade may take: a profile knows the product, not
// how large a site is.
func TestThePlanBoundsTheUpgrade(t *testing.T) {
	q := params
	q.HopDeadline, q.Scale = 9*time.Hour, 3
	tk, _, err := load(t, "moodle").UpgradeTask(q)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range tk.Actions {
		if got := time.Duration(a.Deadline); got == q.HopDeadline != (i == 0) {
			t.Errorf("%s may take %s", a.Name, got)
		}
	}
}

func TestTheWebRootMovesWithTheRelease(t *testing.T) {
	for version, want := range map[string]string{"4.5.6": "/var/www/html/version.php", "5.1.3": "/var/www/html/public/version.php"} {
		q := params
		q.Code = version
		tk, _, err := load(t, "moodle").VerbTask(VersionVerb, q)
		if err != nil || tk.Actions[0].Version.DiskFile != want {
			t.Errorf("%s: %+v, %v", version, tk.Actions, err)
		}
	}
}

func TestBuildersOfBackups(t *testing.T) {
	p := load(t, "campus")
	for name, build := range map[string]func() (task.Task, Image, error){
		"dump":       func() (task.Task, Image, error) { return p.DumpTask(params, "/backup", "b1") },
		"verify":     func() (task.Task, Image, error) { return p.VerifyDumpTask(params, "/backup", "b1", "/scratch") },
		"recover":    func() (task.Task, Image, error) { return p.RecoverTask(params, "/data", "campus", nil) },
		"hash":       func() (task.Task, Image, error) { return p.HashFilesTask(params, "/files", true, 0, Throttle{}) },
		"copy":       func() (task.Task, Image, error) { return p.CopyFilesTask(params, "/files", "/copy", 0, 1, Throttle{}) },
		"count":      func() (task.Task, Image, error) { return p.CountTask(params, nil, nil, nil) },
		"smoke":      func() (task.Task, Image, error) { return p.SmokeTask(params, time.Minute) },
		"version":    func() (task.Task, Image, error) { return p.VersionTask(params, "2.0") },
		"sessions":   func() (task.Task, Image, error) { return p.SessionsTask(params, time.Minute) },
		"aftermath":  func() (task.Task, Image, error) { return p.AftermathTask(params) },
		"stale lock": func() (task.Task, Image, error) { return p.StaleLockTask(params, "/files") },
		"clear":      func() (task.Task, Image, error) { return p.ClearCopyTask(params, "/files") },
		"link":       func() (task.Task, Image, error) { return p.LinkBaseTask(params, "/base", "/lms/base", "/files") },
		"restore": func() (task.Task, Image, error) {
			return p.RestoreTask(params, task.Restore{Database: task.Database{Name: "postgres"}, Into: "r1", Dir: "/backup", Name: "b1"})
		},
	} {
		tk, _, err := build()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text, err := tk.Encode(); err != nil || len(text) > task.MaxTask {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	tk, _, _ := p.RestoreTask(
		params,
		task.Restore{Database: task.Database{Host: "db", Name: "postgres"}, Into: "r1", Dir: "/b", Name: "b1"},
	)
	if d := tk.Actions[0].Restore.Database; d.Name != "postgres" || len(tk.Actions[0].Restore.Queries) == 0 {
		t.Errorf("restore is %+v", tk.Actions[0].Restore)
	}
}
