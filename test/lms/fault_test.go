// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"context"
	"encoding/json"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/test/lms/queue"
)

func TestFailingStepIsNamedAndResumes(t *testing.T) {
	s := seeded(t, "1.0").with("CAMPUS_FAULTS=migration-fail=2.0:grades")
	before := s.stats("1.0")
	s.expect(1, "Error: core 2.0:grades: ", "2.0", "upgrade", "--non-interactive")
	if got := s.number("SELECT count(*) FROM {upgrade_log} WHERE type = 2 AND version = '2.0:grades'"); got != 1 {
		t.Errorf("the log holds %d errors", got)
	}
	if got := s.number("SELECT count(*) FROM {grades} WHERE points IS NULL"); got == 0 || got == before.Tables["grades"].Rows {
		t.Errorf("the step did not stop half-way: %d rows left", got)
	}
	s.expect(2, "An upgrade is pending.", "2.0", "upgrade", "--is-pending")
	s.with("CAMPUS_FAULTS=").expect(0, finished, "2.0", "upgrade", "--non-interactive")
	sameRows(t, before, s.stats("2.0"))
}

func TestStatementOutlivesItsClient(t *testing.T) {
	s := seeded(t, "1.0").with("CAMPUS_FAULTS=migration-slow=2.0:grades:1h")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	upgrade := s.command(ctx, "2.0", "upgrade", "--non-interactive")
	if err := upgrade.Start(); err != nil {
		t.Fatal(err)
	}
	const running = `FROM pg_stat_activity WHERE datname = $1 AND application_name = 'campus upgrade'
		AND state = 'active' AND query LIKE '%pg_sleep%'`
	for s.number("SELECT count(*) "+running, s.name) == 0 {
		s.number("SELECT 1 FROM pg_sleep(0.02)")
	}
	// Even a polite signal ends it at once: the lock stays.
	if err := upgrade.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = upgrade.Wait()
	if got := s.number("SELECT count(*) "+running, s.name); got != 1 {
		t.Errorf("%d statements of the dead client run", got)
	}
	s.expect(1, "Site is being upgraded", "2.0", "upgrade", "--is-pending")
	s.exec("SELECT pg_terminate_backend(pid) "+running, s.name)
}

func TestBrokenPlugin(t *testing.T) {
	s := newSite(t)
	s.plugins = map[string]string{"1.0": "plugins/1.x", "2.0": "plugins/2.x"}
	s.must("1.0", "install")
	s.must("1.0", "seed", "--size", "S")
	s.with("CAMPUS_FAULTS=plugin-break=local_badge")
	s.expect(1, "Error: local_badge 2025050100: ", "2.0", "upgrade", "--non-interactive")
	s.with("CAMPUS_FAULTS=plugin-break=local_badge:page")
	s.expect(0, finished, "2.0", "upgrade", "--non-interactive")
	b := s.serve("2.0")
	if got := b.signIn("smoke", "pw-smoke"); got != "/my" {
		t.Fatalf("signing in leads to %s", got)
	}
	b.expect(500, "plugin local_badge", "/course/1")
	s.with("CAMPUS_FAULTS=")
	b = s.serve("2.0")
	b.signIn("smoke", "pw-smoke")
	b.expect(200, "local_badge", "/course/1")
}

func TestTaskThatQueuesItselfNeverEnds(t *testing.T) {
	s := seeded(t, "1.0")
	s.must("2.0", "upgrade", "--non-interactive")
	s.with("CAMPUS_FAULTS=task-loop")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	drain := s.command(ctx, "2.0", "tasks", "--run-required")
	output, err := drain.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := drain.Start(); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 0, 4096)
	for strings.Count(string(text), "index_blobs done") < 5 {
		part := make([]byte, 256)
		n, err := output.Read(part)
		if err != nil {
			t.Fatalf("the queue ran empty: %v: %s", err, text)
		}
		text = append(text, part[:n]...)
	}
	cancel()
	_ = drain.Wait()
	var tasks []queue.Task
	if err := json.Unmarshal([]byte(s.must("2.0", "tasks", "--list", "--json")), &tasks); err != nil {
		t.Fatal(err)
	}
	if len(tasks) == 0 || tasks[len(tasks)-1].Class != "index_blobs" {
		t.Errorf("the queue holds %v", tasks)
	}
}

func TestSlowPage(t *testing.T) {
	s := seeded(t, "1.0").with("CAMPUS_FAULTS=page-slow=/quiz:150ms")
	b := s.serve("1.0")
	b.signIn("smoke", "pw-smoke")
	b.get("/quiz/1")
	start := time.Now()
	b.expect(200, "Quiz", "/quiz/1")
	if took := time.Since(start); took < 150*time.Millisecond {
		t.Errorf("the page took %s", took)
	}
}

func TestLostRow(t *testing.T) {
	for _, table := range []string{"posts", "grades", "attempts", "enrolments"} {
		t.Run(table, func(t *testing.T) {
			s := seeded(t, "1.0").with("CAMPUS_FAULTS=row-loss=" + table)
			before := s.stats("1.0").Tables[table]
			s.expect(0, finished, "2.0", "upgrade", "--non-interactive")
			if after := s.stats("2.0").Tables[table]; after.Rows != before.Rows-1 || after.Digest == before.Digest {
				t.Errorf("before %v, after %v", before, after)
			}
		})
	}
}

func TestPendingForEver(t *testing.T) {
	s := seeded(t, "1.0").with("CAMPUS_FAULTS=pending-never")
	s.expect(0, finished, "2.0", "upgrade", "--non-interactive")
	s.expect(2, "An upgrade is pending.", "2.0", "upgrade", "--is-pending")
}
