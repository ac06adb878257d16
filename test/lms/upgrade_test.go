// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/stats"
)

const finished = "completed successfully."

// sameRows compares reports but for the release.
func sameRows(t *testing.T, before, after stats.Report) {
	t.Helper()
	for name, want := range before.Tables {
		if got := after.Tables[name]; got != want {
			t.Errorf("%s: before %v, after %v", name, want, got)
		}
	}
	if before.Files != after.Files {
		t.Errorf("files: before %v, after %v", before.Files, after.Files)
	}
}

func TestSampleDataDependsOnSizeAndSeedAlone(t *testing.T) {
	s := seeded(t, "1.0")
	first := s.stats("1.0")
	if got := first.Tables["attempts"].Rows; got != 5000 {
		t.Errorf("size S has %d attempts", got)
	}
	for _, table := range []string{
		"courses", "quizzes", "enrolments", "forum_posts", "quiz_attempts", "grades", "files", "chat_rooms", "chat_messages",
	} {
		s.exec("TRUNCATE {" + table + "}")
	}
	s.exec("DELETE FROM {users} WHERE username <> 'admin'")
	s.must("1.0", "seed", "--size", "S", "--seed", "7", "--url", "http://campus.example")
	sameRows(t, first, s.stats("1.0"))
}

func TestSampleDataIsTheSameInEveryRelease(t *testing.T) {
	old := seeded(t, "1.0").stats("1.0")
	for _, release := range []string{"1.5", "2.0", "3.0"} {
		t.Run(release, func(t *testing.T) { sameRows(t, old, seeded(t, release).stats(release)) })
	}
}

func TestUpgradePathsKeepTheData(t *testing.T) {
	for name, path := range map[string][]string{
		"one hop":              {"1.0", "2.0"},
		"with a stop":          {"1.0", "1.5", "3.0"},
		"with the other stop":  {"1.0", "2.0", "3.0"},
		"every release":        {"1.0", "1.5", "2.0", "3.0"},
		"from the middle":      {"1.5", "2.0"},
		"two hops of the path": {"1.5", "3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			s := seeded(t, path[0])
			before := s.stats(path[0])
			for _, release := range path[1:] {
				s.expect(2, "An upgrade is pending.", release, "upgrade", "--is-pending")
				s.expect(0, finished, release, "upgrade", "--non-interactive")
				s.expect(0, "No upgrade needed", release, "upgrade", "--is-pending")
				s.expect(0, "No required task is left.", release, "tasks", "--run-required")
				s.expect(0, "No afterwards task is left.", release, "tasks", "--run-afterwards")
				sameRows(t, before, s.stats(release))
			}
		})
	}
}

func TestUpgradeRefuses(t *testing.T) {
	s := seeded(t, "1.0")
	s.expect(1, "Campus 3.0 requires at least 1.5, the database is at 1.0.", "3.0", "upgrade", "--check")
	s.expect(1, "Campus 3.0 requires at least 1.5", "3.0", "upgrade", "--non-interactive")
	s.expect(1, "Type y to go on", "1.5", "upgrade")
	s.expect(0, finished, "1.5", "upgrade", "--non-interactive")
	s.expect(0, "No upgrade needed", "1.5", "upgrade", "--non-interactive")
	older := "is older than the version recorded in the database (1.5)"
	s.expect(1, older, "1.0", "upgrade", "--non-interactive")
	s.expect(1, older, "1.0", "upgrade", "--is-pending")
	s.expect(1, "already", "1.5", "install")
}

func TestKilledUpgradeResumes(t *testing.T) {
	for _, step := range []string{"1.5:discussions", "2.0:grades", "2.0:attempts"} {
		t.Run(step, func(t *testing.T) {
			s := seeded(t, "1.0")
			before := s.stats("1.0")
			s.with("CAMPUS_FAULTS=migration-kill=" + step)
			if got := s.run("2.0", "upgrade", "--non-interactive"); got.code != -1 {
				t.Fatalf("the upgrade was not killed: %s", got)
			}
			s.with("CAMPUS_FAULTS=")
			if got := s.number("SELECT value::bigint FROM {config} WHERE name = 'version'"); got != 2025041400 {
				t.Errorf("version row is %d, not the target", got)
			}
			locked := "!!! Site is being upgraded, please retry later. !!!"
			for _, args := range [][]string{
				{"upgrade", "--is-pending"}, {"upgrade", "--non-interactive"}, {"cron"}, {"purge-caches"}, {"stats"},
			} {
				if got := s.run("2.0", args...); got.code != 1 || strings.TrimSpace(got.out) != locked {
					t.Errorf("%v while locked: %s", args, got)
				}
			}
			s.letLockExpire()
			s.expect(2, "An upgrade is pending.", "2.0", "upgrade", "--is-pending")
			s.expect(0, "from 2.0 (2025041400) to 2.0 (2025041400) "+finished, "2.0", "upgrade", "--non-interactive")
			s.expect(0, "No upgrade needed", "2.0", "upgrade", "--is-pending")
			sameRows(t, before, s.stats("2.0"))
		})
	}
}

func TestEveryStepLeavesASavepointInTheLog(t *testing.T) {
	s := seeded(t, "1.0")
	s.must("2.0", "upgrade", "--non-interactive")
	started := s.number("SELECT max(id) FROM {upgrade_log} WHERE info = 'Upgrade started'")
	steps := s.number(`SELECT count(*) FROM {upgrade_log}
		WHERE id > $1 AND component = 'core' AND info = 'Upgrade savepoint reached' AND target = '2.0'`, started)
	if steps != 8 {
		t.Errorf("%d core steps are in the log, not 8", steps)
	}
	backwards := s.number("SELECT count(*) FROM {upgrade_log} a JOIN {upgrade_log} b ON b.id > a.id AND b.at < a.at")
	if backwards != 0 {
		t.Errorf("%d pairs of the log go back in time", backwards)
	}
}

func pluginStatus(t *testing.T, s *site, release, component string) plugin.Entry {
	t.Helper()
	var entries []plugin.Entry
	if err := json.Unmarshal([]byte(s.must(release, "plugins", "--json")), &entries); err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Component == component {
			return entry
		}
	}
	return plugin.Entry{}
}

func TestPlugins(t *testing.T) {
	s := newSite(t)
	s.plugins = map[string]string{"1.0": "plugins/1.x", "2.0": "plugins/2.x", "3.0": "plugins/2.x"}
	s.must("1.0", "install")
	s.must("1.0", "seed", "--size", "S", "--seed", "7")
	for component, want := range map[string]plugin.Status{
		"local_badge": plugin.Upgrade, "report_attendance": plugin.UpToDate, "mod_chat": plugin.Delete,
		"block_news": plugin.New, "mod_forum": plugin.Upgrade,
	} {
		if got := pluginStatus(t, s, "2.0", component).Status; got != want {
			t.Errorf("%s: %s, not %s", component, got, want)
		}
	}
	s.must("2.0", "upgrade", "--non-interactive")
	if got := s.number("SELECT min(issued_at) FROM {badge_issued}"); got < 1_700_000_000 {
		t.Errorf("the plugin's migration did not run: %d", got)
	}
	if found, err := s.db.HasTable(t.Context(), "chat_messages"); err != nil || found {
		t.Errorf("the table of the removed plugin is there: %v %v", found, err)
	}
	s.expect(1, "Dependencies check failed for report_attendance: it refuses 3.0", "3.0", "upgrade", "--check")
	s.expect(1, "You must solve all the plugin requirements", "3.0", "upgrade", "--non-interactive")

	// A plugin that is not in the image stops nothing, and that is the trap.
	s.plugins["3.0"] = "/nonexistent"
	if got := pluginStatus(t, s, "3.0", "local_badge").Status; got != plugin.Missing {
		t.Errorf("local_badge: %s, not missing", got)
	}
	s.expect(0, finished, "3.0", "upgrade", "--non-interactive")
	if got := s.number("SELECT count(*) FROM {badge_issued}"); got == 0 {
		t.Error("the rows of the missing plugin are gone")
	}
}

func TestAddedChatKeepsItsTables(t *testing.T) {
	s := seeded(t, "1.0")
	before := s.number("SELECT count(*) FROM {chat_messages}")
	s.plugins["2.0"] = "plugins/chat"
	s.must("2.0", "upgrade", "--non-interactive")
	if after := s.number("SELECT count(*) FROM {chat_messages}"); after != before || before == 0 {
		t.Errorf("%d messages before, %d after", before, after)
	}
}

func TestMaintenanceEndsWithZeroWhateverHappens(t *testing.T) {
	s := newSite(t)
	s.expect(0, "Status: disabled", "1.0", "maintenance")
	s.expect(0, "Status: enabled", "1.0", "maintenance", "--enable")
	s.expect(0, "Status: enabled", "1.0", "maintenance")
	s.expect(0, "Status: disabled", "1.0", "maintenance", "--disable")
	s.root = filepath.Join(s.root, "nowhere")
	s.expect(0, "Status: disabled", "1.0", "maintenance", "--enable")
	if _, err := os.Stat(s.root); err == nil {
		t.Error("maintenance made a data root")
	}
}
