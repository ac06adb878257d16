// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/test/lms/catcher"
	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/database"
)

// outside is what the site can reach: mail and a webhook.
type outside struct{ *browser }

// catch starts a catcher and says where it listens.
func (s *site) catch() (outside, map[string]string) {
	s.t.Helper()
	found := map[string]string{}
	for _, line := range s.start("1.0", 2, "smtp-catcher", "--smtp", "127.0.0.1:0", "--http", "127.0.0.1:0") {
		name, address, _ := strings.Cut(line, "=")
		found[name] = address
	}
	return outside{newBrowser(s.t, "http://"+found["http"])}, found
}

// connect gives the site somewhere to send mail and calls to.
func (s *site) connect() outside {
	s.t.Helper()
	o, found := s.catch()
	s.with("CAMPUS_SMTP_HOST="+found["smtp"], "CAMPUS_WEBHOOK_URL=http://"+found["http"]+"/hook")
	return o
}

func (o outside) count(path string) int {
	o.t.Helper()
	var answer struct{ Count int }
	if err := json.Unmarshal([]byte(o.get(path).body), &answer); err != nil {
		o.t.Fatal(err)
	}
	return answer.Count
}

func writePost(t *testing.T, s *site) {
	t.Helper()
	b := s.serve("1.0")
	if got := b.signIn("smoke", "pw-smoke"); got != "/my" {
		t.Fatalf("signing in leads to %s", got)
	}
	b.post("/forum/1", url.Values{"subject": {"News"}, "body": {"Read this"}})
}

func TestLiveSiteReachesTheOutside(t *testing.T) {
	s := seeded(t, "1.0")
	o := s.connect()
	writePost(t, s)
	s.must("1.0", "cron", "--once")
	if mails, hooks := o.count("/count"), o.count("/hooks"); mails != 5 || hooks < 1 {
		t.Errorf("%d mails and %d calls got out", mails, hooks)
	}
	var messages []catcher.Message
	if err := json.Unmarshal([]byte(o.get("/messages").body), &messages); err != nil {
		t.Fatal(err)
	}
	if len(messages) != 5 || messages[0].Subject != "News" || len(messages[0].To) != 1 {
		t.Errorf("messages: %v", messages)
	}
	s.expect(0, "OK", "1.0", "checks", "-f", "cronrunning")
}

func TestNeutralCopyIsSilent(t *testing.T) {
	s := seeded(t, "1.0")
	o := s.connect()
	writePost(t, s)
	s.expect(1, `mail_enabled is "1"`, "1.0", "neutralise", "--check")
	s.expect(1, "not neutral", "1.0", "anonymise")
	s.must("1.0", "neutralise")
	if got := s.must("1.0", "neutralise", "--check", "--json"); strings.TrimSpace(got) != "[]" {
		t.Errorf("not neutral: %s", got)
	}
	s.expect(1, "Cron is disabled. Use --force to override.", "1.0", "cron")
	s.must("1.0", "cron", "--force")
	if mails, hooks := o.count("/count"), o.count("/hooks"); mails+hooks != 0 {
		t.Errorf("%d mails and %d calls got out of a neutral copy", mails, hooks)
	}

	// Some plugins ask no setting: only the network keeps their mail in.
	s.with("CAMPUS_FAULTS=cron-mails").must("1.0", "cron", "--force")
	s.expect(0, "", "1.0", "neutralise", "--check")
	if mails := o.count("/count"); mails != 1 {
		t.Errorf("the fault sent %d mails", mails)
	}
}

func TestMailSink(t *testing.T) {
	s := seeded(t, "1.0")
	live := s.connect()
	sink, addresses := s.catch()
	s.must("1.0", "neutralise", "--mail-sink", addresses["smtp"])
	writePost(t, s)
	s.must("1.0", "cron", "--force")
	if got := live.count("/count"); got != 0 {
		t.Errorf("%d mails went to the live server", got)
	}
	if got := sink.count("/count"); got != 5 {
		t.Errorf("%d mails went to the sink", got)
	}
}

func TestHardSettingsBeatTheDatabase(t *testing.T) {
	s := seeded(t, "1.0").with("CAMPUS_HARD_SETTINGS=mail_enabled=1")
	s.expect(4, "hard-set", "1.0", "settings", "set", "mail_enabled", "0")
	s.expect(1, "hard-set", "1.0", "neutralise")
	s.expect(3, "", "1.0", "settings", "get", "nothing_such")
	s.expect(2, "usage", "1.0", "settings")
	s.with("CAMPUS_HARD_SETTINGS=", "CAMPUS_CRON_ENABLED=false")
	s.must("1.0", "neutralise")
	s.expect(0, "0\n", "1.0", "settings", "get", "cron_enabled")
	s.expect(0, "0\n", "1.0", "settings", "get", "mail_enabled")
}

func TestAnonymise(t *testing.T) {
	s := seeded(t, "2.0")
	s.must("2.0", "neutralise")
	s.must("2.0", "anonymise", "--keep", "smoke,admin")
	if got := s.number("SELECT count(*) FROM {users} WHERE email NOT LIKE '%@anonymous.example'"); got != 2 {
		t.Errorf("%d users kept their address", got)
	}
	if got := s.number("SELECT count(*) FROM {forum_posts} WHERE body LIKE '%question%'"); got != 0 {
		t.Errorf("%d posts can still be read", got)
	}
	if got := s.serve("2.0").signIn("smoke", "pw-smoke"); got != "/my" {
		t.Errorf("signing in leads to %s", got)
	}
}

func TestRewriteURLLeavesSettings(t *testing.T) {
	s := seeded(t, "1.0")
	s.must("1.0", "settings", "set", "help_url", "http://campus.example/help")
	s.expect(0, "== Success ==", "1.0", "rewrite-url", "--from", "http://campus.example", "--to", "http://copy.example")
	if got := s.number("SELECT count(*) FROM {forum_posts} WHERE body LIKE '%http://campus.example%'"); got != 0 {
		t.Errorf("%d posts have the old address", got)
	}
	s.expect(0, "http://campus.example/help", "1.0", "settings", "get", "help_url")
}

// dsn is a database of the server as PostgreSQL's own tools want it.
func dsn(user, password, name string) string {
	return (&url.URL{
		Scheme: "postgresql", User: url.UserPassword(user, password), Host: fmt.Sprintf("127.0.0.1:%d", lab.port), Path: name,
	}).String()
}

func TestDumpByTheReaderRestores(t *testing.T) {
	copied := newSite(t)
	// Only the server's own database gives the reader its rights.
	live := &site{t: t, name: "campus", root: copied.root}
	live.must("1.0", "install")
	live.must("1.0", "seed", "--size", "S")
	before := live.stats("1.0")
	file := filepath.Join(t.TempDir(), "dump")
	for _, command := range [][]string{
		{"pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", file, dsn(readerLogin, "reads", "campus")},
		{"pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
			"--dbname", dsn("campus", ownerPassword, copied.name), file},
	} {
		output, err := exec.Command(filepath.Join(lab.bin, command[0]), command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command[0], err, output)
		}
	}
	sameRows(t, before, copied.stats("1.0"))
	copied.expect(0, finished, "2.0", "upgrade", "--non-interactive")
	sameRows(t, before, copied.stats("2.0"))
}

func TestReaderRoleReadsNewTables(t *testing.T) {
	if lab.leftOut != "" {
		t.Skip(lab.leftOut)
	}
	// The server's own database: default privileges belong to a database.
	owner, err := database.Open(t.Context(), ownerOf("campus"), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Exec(t.Context(), "CREATE TABLE {probe} (id bigserial)"); err != nil {
		t.Fatal(err)
	}
	reader, err := database.Open(t.Context(), config.Database{
		Host: "127.0.0.1", Port: uint16(lab.port), Name: "campus", User: readerLogin, Password: "reads", Prefix: "cmp_",
	}, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var rows int
	if err := reader.Row(t.Context(), "SELECT count(*) FROM {probe}", nil, &rows); err != nil {
		t.Errorf("the reader cannot read: %v", err)
	}
	if _, err := reader.Exec(t.Context(), "INSERT INTO {probe} DEFAULT VALUES"); err == nil {
		t.Error("the reader can write")
	}
}

func TestCronWaitsForRunningRounds(t *testing.T) {
	s := seeded(t, "1.0")
	const key = 0x63616d707573
	err := s.db.WithLock(t.Context(), key, database.Shared, 0, func() error {
		s.expect(1, "cron still runs after 50ms", "1.0", "cron", "--disable-wait", "50ms")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.expect(0, "", "1.0", "cron", "--disable-wait", "30s")
	s.expect(1, "Cron is disabled.", "1.0", "cron")
	s.must("1.0", "cron", "--enable")
	s.must("1.0", "cron")
}
