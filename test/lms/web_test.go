// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fileLink = regexp.MustCompile(`/file/([0-9a-f]{40})`)

// useSite walks through the site as a student.
func useSite(t *testing.T, b *browser) {
	t.Helper()
	b.expect(303, "/login", "/my")
	b.expect(303, "/login", "/course/1")
	if got := b.signIn("smoke", "wrong"); got != "/login?error=1" {
		t.Errorf("a wrong password leads to %s", got)
	}
	if got := b.post("/login", url.Values{"username": {"smoke"}, "password": {"pw-smoke"}}); got.location != "/login?error=1" {
		t.Errorf("a missing token leads to %s", got.location)
	}
	if got := b.signIn("smoke", "pw-smoke"); got != "/my" {
		t.Fatalf("signing in leads to %s", got)
	}
	b.expect(200, "<title>Dashboard</title>", "/my")
	b.expect(200, `data-user-id="2"`, "/my")
	b.expect(404, "", "/course/999")
	b.expect(404, "", "/course/x")
	b.expect(404, "", "/version")
	b.expect(404, "", "/.git/HEAD")
	b.expect(404, "", "/file/"+strings.Repeat("0", 40))
	course := b.get("/course/1")
	match := fileLink.FindStringSubmatch(course.body)
	if course.status != 200 || !strings.Contains(course.body, "<title>Course: ") || match == nil {
		t.Fatalf("course: %d %s", course.status, course.body)
	}
	file := b.get("/file/" + match[1])
	if sum := sha1.Sum([]byte(file.body)); file.status != 200 || hex.EncodeToString(sum[:]) != match[1] {
		t.Errorf("file %s: %d, body is another", match[1], file.status)
	}
	b.expect(200, "<title>Quiz: Test 1</title>", "/quiz/1")
	for path, form := range map[string]url.Values{
		"/quiz/1/attempt": {},
		"/forum/1":        {"subject": {"A question"}, "body": {"Is this written?"}},
	} {
		if got := b.post(path, form); got.status != http.StatusSeeOther {
			t.Errorf("POST %s: %d %s", path, got.status, got.body)
		}
	}
	b.expect(200, "Is this written?", "/course/1")
	b.expect(200, "Test 1", "/grades")
}

func TestSiteWorksInEveryRelease(t *testing.T) {
	for _, release := range []string{"1.0", "1.5", "2.0", "3.0"} {
		t.Run(release, func(t *testing.T) {
			s := seeded(t, release)
			before := s.stats(release)
			useSite(t, s.serve(release))
			after := s.stats(release)
			for _, table := range []string{"posts", "attempts"} {
				if after.Tables[table].Rows != before.Tables[table].Rows+1 {
					t.Errorf("%s: %d rows before, %d after", table, before.Tables[table].Rows, after.Tables[table].Rows)
				}
			}
		})
	}
}

func TestUpgradedSiteWorks(t *testing.T) {
	s := seeded(t, "1.0")
	s.must("2.0", "upgrade", "--non-interactive")
	file := s.serve("2.0")
	if got := file.signIn("smoke", "pw-smoke"); got != "/my" {
		t.Fatalf("signing in leads to %s", got)
	}
	match := fileLink.FindStringSubmatch(file.get("/course/1").body)
	// This is why the task is required: until it ran, users miss every file.
	file.expect(404, "", "/file/"+match[1])
	s.must("2.0", "tasks", "--run-required")
	useSite(t, s.serve("2.0"))
}

func siteInfo(t *testing.T, b *browser) map[string]any {
	t.Helper()
	info := map[string]any{}
	got := b.get("/api/site-info")
	if err := json.Unmarshal([]byte(got.body), &info); err != nil {
		t.Fatalf("site-info: %v: %d %s", err, got.status, got.body)
	}
	return info
}

func TestMixedVersionsLookHealthy(t *testing.T) {
	s := seeded(t, "1.0")
	old := s.serve("1.0")
	if got := old.signIn("smoke", "pw-smoke"); got != "/my" {
		t.Fatalf("signing in leads to %s", got)
	}
	mixed := map[string]*browser{"new code on the old database": s.serve("2.0")}
	looksHealthy := func(name string, b *browser, release, database string) {
		t.Helper()
		b.expect(200, "Campus", "/")
		if got := b.signIn("smoke", "pw-smoke"); got != "/login?error=1" {
			t.Errorf("%s: signing in leads to %s", name, got)
		}
		info := siteInfo(t, b)
		if info["pending"] != true || info["release"] != release || info["databaseVersion"] != database {
			t.Errorf("%s: site-info says %v", name, info)
		}
	}
	for name, b := range mixed {
		looksHealthy(name, b, "2.0", "1.0")
	}
	s.expect(1, "Campus upgrade pending, cron execution suspended.", "2.0", "cron")
	s.expect(2, "CRITICAL", "2.0", "checks", "-f", "upgradecheck")

	s.must("2.0", "upgrade", "--non-interactive")
	old.expect(303, "/login", "/my")
	looksHealthy("old code on the new database", old, "1.0", "2.0")
	s.expect(1, "Campus upgrade pending, cron execution suspended.", "1.0", "cron")
}

func TestDoorsAreShut(t *testing.T) {
	s := seeded(t, "1.0")
	b := s.serve("1.0")
	b.expect(200, "", "/")
	s.must("1.0", "maintenance", "--enable")
	for _, path := range []string{"/", "/login", "/my", "/api/site-info", "/nowhere"} {
		got := b.get(path)
		if got.status != 503 || got.header.Get("Retry-After") != "300" || !strings.Contains(got.body, "under maintenance") {
			t.Errorf("GET %s in maintenance: %d %s", path, got.status, got.body)
		}
	}
	b.expect(200, "ok", "/healthz")
	s.expect(1, "CLI maintenance mode active, cron execution suspended.", "1.0", "cron")
	s.must("1.0", "maintenance", "--disable")
	b.expect(200, "", "/")

	s.with("CAMPUS_FAULTS=migration-kill=2.0:grades").run("2.0", "upgrade", "--non-interactive")
	for _, path := range []string{"/", "/login", "/my", "/api/site-info"} {
		b.expect(500, "Site is being upgraded", path)
	}
	b.expect(200, "ok", "/healthz")

	// Web reads settings from the cache: a row deleted by hand changes nothing.
	s.exec("DELETE FROM {config} WHERE name = 'upgraderunning'")
	b.expect(500, "Site is being upgraded", "/")
	if err := os.RemoveAll(filepath.Join(s.root, "cache")); err != nil {
		t.Fatal(err)
	}
	b.expect(200, "", "/")
}

func TestSiteWithoutDatabase(t *testing.T) {
	s := newSite(t)
	b := s.serve("1.0")
	b.expect(503, "Site is not available", "/")
	b.expect(200, "ok", "/healthz")
	s.expect(1, "not installed", "1.0", "upgrade", "--is-pending")
	s.must("1.0", "install")
	b.expect(200, "Campus", "/")
}

func TestDeletedFilesGoForGood(t *testing.T) {
	s := seeded(t, "2.0")
	b := s.serve("2.0")
	b.signIn("teacher001", "pw-teacher001")
	if got := b.upload("/course/1/file?name=new.txt", "hello"); got.status != http.StatusSeeOther {
		t.Fatalf("upload: %d %s", got.status, got.body)
	}
	sum := sha1.Sum([]byte("hello"))
	hash := hex.EncodeToString(sum[:])
	b.expect(200, "hello", "/file/"+hash)
	if got := b.post("/file/"+hash+"/delete", nil); got.status != http.StatusSeeOther {
		t.Fatalf("delete: %d %s", got.status, got.body)
	}
	b.expect(404, "", "/file/"+hash)
	trashed := filepath.Join(s.root, "trashdir", hash[:2], hash[2:4], hash)
	if _, err := os.Stat(trashed); err != nil {
		t.Errorf("the blob is not in the trash: %v", err)
	}
	s.must("2.0", "tasks", "--disable", "cleanup_files")
	s.must("2.0", "cron")
	if _, err := os.Stat(trashed); err != nil {
		t.Errorf("the trash was emptied although that was held: %v", err)
	}
	s.must("2.0", "tasks", "--enable", "cleanup_files")
	s.must("2.0", "cron")
	if _, err := os.Stat(trashed); err == nil {
		t.Error("the trash was not emptied")
	}
}

func TestSecondContainerWantsAnotherSettingFrom2(t *testing.T) {
	s := seeded(t, "1.0")
	sidecar := func(root string) *browser {
		s.with("DOCUMENT_ROOT=" + root)
		_, address, _ := strings.Cut(s.start("1.0", 1, "sidecar", "--listen", "127.0.0.1:0")[0], "=")
		return newBrowser(t, fmt.Sprintf("http://%s", address))
	}
	old, young := sidecar("/srv/campus"), sidecar("/srv/campus/public")
	old.expect(200, "font-family", "/static/style.css")
	site := s.serve("1.0", "--static", old.base)
	site.expect(200, "font-family", "/static/style.css")
	young.expect(500, "does not fit release 1.0", "/static/style.css")
	s.must("2.0", "upgrade", "--non-interactive")
	old.expect(500, "does not fit release 2.0", "/static/style.css")
	site.expect(500, "does not fit release 2.0", "/static/style.css")
	young.expect(200, "font-family", "/static/style.css")
}
