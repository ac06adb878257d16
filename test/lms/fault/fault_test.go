// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNothingIsOnByDefault(t *testing.T) {
	set := Load(func(name string) string {
		if name == "CAMPUS_FAULTS_FILE" {
			return "/nonexistent"
		}
		return ""
	})
	for _, kind := range []string{MigrationFail, MigrationSlow, MigrationKill, PluginBreak, TaskLoop, PageSlow, RowLoss, CronMails} {
		if found := set.Subjects(kind); len(found) > 0 {
			t.Errorf("%s is on for %v", kind, found)
		}
	}
}

func TestLoadReadsEnvironmentAndFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "faults")
	if err := os.WriteFile(file, []byte("# comment\ntask-loop\n\nrow-loss=posts\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"CAMPUS_FAULTS_FILE": file, "CAMPUS_FAULTS": "migration-fail=2.0:grades, page-slow=/course:3s"}
	set := Load(func(name string) string { return environment[name] })
	if !set.Is(MigrationFail, "2.0:grades") || set.Is(MigrationFail, "2.0:blobs") {
		t.Error("migration-fail is not on for exactly 2.0:grades")
	}
	if len(set.Subjects(TaskLoop)) != 1 || !set.Is(RowLoss, "posts") {
		t.Error("the file was not read")
	}
}

func TestDelay(t *testing.T) {
	set := Parse("migration-slow=2.0:grades:30s,page-slow=/course:3s,page-slow=/quiz:soon")
	for name, test := range map[string]struct {
		got, want time.Duration
	}{
		"a step that has a colon in its name": {set.Delay(MigrationSlow, "2.0:grades"), 30 * time.Second},
		"another step":                        {set.Delay(MigrationSlow, "2.0:blobs"), 0},
		"a page below the path":               {set.DelayBelow(PageSlow, "/course/7"), 3 * time.Second},
		"another page":                        {set.DelayBelow(PageSlow, "/my"), 0},
		"a time that is none":                 {set.DelayBelow(PageSlow, "/quiz/1"), 0},
	} {
		if test.got != test.want {
			t.Errorf("%s: %s, want %s", name, test.got, test.want)
		}
	}
}
