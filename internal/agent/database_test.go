// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

var counts = map[string]string{
	"users": "SELECT count(*) FROM cmp_users WHERE NOT deleted",
	"posts": "SELECT count(*), coalesce(sum(length(body)),0) FROM cmp_posts",
}

func (w *world) dump(dir, name string) task.Action {
	return task.Action{Name: "dump", Dump: &task.Dump{Database: w.database("campus", "reader"), Dir: dir, Name: name,
		Queries: counts}}
}

func TestDumpRestoreRename(t *testing.T) {
	w := newWorld(t)
	dir := w.path("backup", stranger)

	r, docs := w.do(stranger, w.dump(dir, "b1"))
	succeeds(t, r)
	if r.Facts["dump.count.users"] != "500" || r.Facts["dump.count.posts"] != "60000|3840000" {
		t.Errorf("facts are %v", r.Facts)
	}
	var m task.Manifest
	must(t, json.Unmarshal(docs["dump.manifest.json"], &m))
	if m.Tables["cmp_posts"] != 60000 || len(m.Settings) != 1 {
		t.Errorf("manifest is %+v", m)
	}

	before, err := os.Stat(filepath.Join(dir, "b1.dump"))
	must(t, err)
	r, _ = w.do(stranger, w.dump(dir, "b1"))
	succeeds(t, r)
	after, err := os.Stat(filepath.Join(dir, "b1.dump"))
	must(t, err)
	if !os.SameFile(before, after) {
		t.Error("a second dump of the same name was written again")
	}

	restore := task.Action{Name: "restore", Restore: &task.Restore{Database: w.database("postgres", "owner"),
		Into: "campus_r1", Dir: dir, Name: "b1", Queries: counts, Readers: []string{"campus_reader"}}}
	r, _ = w.do(stranger, restore)
	succeeds(t, r)
	if v := w.one("campus_r1", "SHOW search_path"); v != `"$user", public` {
		t.Errorf("search_path is %s", v)
	}
	r, _ = w.do(stranger, restore) // again: done already
	succeeds(t, r)

	live := restore
	live.Restore = &task.Restore{}
	*live.Restore = *restore.Restore
	live.Restore.Into = "campus"
	r, _ = w.do(stranger, live)
	fails(t, r, task.NameConflict)

	w.sql("campus", "DELETE FROM cmp_posts WHERE id <= 10")
	renames(t, w)
}

func TestVerifyDump(t *testing.T) {
	w := newWorld(t)
	dir := w.path("backup", nobody)
	verify := task.Action{
		Name: "verify",
		VerifyDump: &task.VerifyDump{Dir: dir, Name: "b1", ScratchDir: w.path("scratch", nobody),
			Queries: counts},
	}
	r, _ := w.do(nobody, w.dump(dir, "b1"), verify)
	succeeds(t, r)
	if r.Facts["verify.users"] != "500" {
		t.Errorf("facts are %v", r.Facts)
	}

	// A manifest that counted one row more than the dump has.
	path := filepath.Join(dir, "b1.json")
	b, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(b), `"users": "500"`, `"users": "501"`, 1)), 0o644))
	r, _ = w.do(nobody, verify)
	fails(t, r, task.CountsDiffer)
	must(t, os.WriteFile(path, b, 0o644))

	// A byte of the dump rots.
	file := filepath.Join(dir, "b1.dump")
	d, err := os.ReadFile(file)
	must(t, err)
	d[len(d)/2] ^= 1
	must(t, os.WriteFile(file, d, 0o644))
	r, _ = w.do(nobody, verify)
	fails(t, r, task.HashMismatch)
}

func TestAKilledDumpLeavesNothingThatLooksComplete(t *testing.T) {
	w := newWorld(t)
	dir := w.path("backup", stranger)
	kill := func(when func() bool) {
		t.Helper()
		cmd, _, log := w.agent(stranger, task.Task{Actions: []task.Action{w.dump(dir, "b1")}})
		must(t, cmd.Start())
		deadline := time.After(20 * time.Second)
		for tick := time.NewTicker(time.Millisecond); !when(); {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("the moment did not come: %s", log)
			}
		}
		must(t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
		for _, f := range []string{"b1.dump", "b1.json"} {
			if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
				t.Errorf("a killed dump left %s", f)
			}
		}
	}
	// While pg_dump waits for a lock.
	c := w.conn("campus")
	_, err := c.Exec(context.Background(), "BEGIN; LOCK TABLE cmp_users")
	must(t, err)
	watch := w.conn("postgres")
	kill(func() bool {
		var n int
		must(t, watch.QueryRow(context.Background(),
			"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%LOCK TABLE%'").Scan(&n))
		return n > 0
	})
	must(t, c.Close(context.Background()))
	// While it writes.
	kill(func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, ".b1.partial-*"))
		for _, f := range found {
			if fi, err := os.Stat(f); err == nil && fi.Size() > 0 {
				return true
			}
		}
		return false
	})
	r, _ := w.do(stranger, w.dump(dir, "b1"))
	succeeds(t, r)
	if left, _ := filepath.Glob(filepath.Join(dir, ".b1.partial-*")); len(left) > 0 {
		t.Errorf("unfinished files are left: %v", left)
	}
}

func TestRecover(t *testing.T) {
	w := newWorld(t)
	// A copy taken while the server runs, as a snapshot is.
	w.sql("postgres", "CHECKPOINT")
	clone := w.path("clone", nobody)
	w.as(nobody, "/bin/cp", "-a", filepath.Join(w.dir, "data")+"/.", clone)
	must(t, os.WriteFile(filepath.Join(clone, "standby.signal"), nil, 0o644))
	rec := func(expect string) task.Action {
		return task.Action{Name: "recover", Recover: &task.Recover{DataDir: clone, Actions: []task.Action{
			{Name: "count", Count: &task.Count{Database: task.Database{Name: "campus"}, Queries: counts, Sequences: true,
				Expect: map[string]string{"users": expect}}}}}}
	}
	// The pid file of the running server is in the copy: it must not be believed to be ours.
	must(t, os.WriteFile(filepath.Join(clone, "postmaster.pid"), []byte("1\n/x\n"), 0o600))
	must(t, os.Chmod(clone, 0o770)) // as kubelets do for fsGroup
	r, _ := w.do(nobody, rec("500"))
	succeeds(t, r)
	if !strings.HasPrefix(r.Facts["recover.serverVersion"], "15.") || r.Facts["count.users"] != "500" {
		t.Errorf("facts are %v", r.Facts)
	}
	if _, err := os.Stat(filepath.Join(clone, "postmaster.pid")); err == nil {
		t.Error("the server was not stopped cleanly")
	}
	r, _ = w.do(nobody, rec("501"))
	fails(t, r, task.CountsDiffer)
	must(t, os.Remove(filepath.Join(clone, "global/pg_control")))
	r, _ = w.do(nobody, rec("500"))
	fails(t, r, task.RecoverFailed)
}

func TestCountFindsWhatDiffers(t *testing.T) {
	w := newWorld(t)
	w.sql("campus", "SELECT setval('cmp_users_id_seq', 100)")
	count := func(c task.Count) task.Result {
		c.Database = w.database("campus", "reader")
		c.Queries = counts
		r, _ := w.do(stranger, task.Action{Name: "count", Count: &c})
		return r
	}
	fails(t, count(task.Count{Sequences: true}), task.SequenceBehind)
	w.sql("campus", "SELECT setval('cmp_users_id_seq', 500)")
	succeeds(t, count(task.Count{Sequences: true, Tables: true}))
	fails(t, count(task.Count{NotMore: map[string]string{"users": "499"}}), task.CountsDiffer)
	succeeds(t, count(task.Count{NotMore: map[string]string{"users": "500"}}))
	fails(t, count(task.Count{ExpectTables: map[string]int64{"cmp_users": 500, "cmp_gone": 1}}), task.CountsDiffer)
	succeeds(
		t,
		count(task.Count{ExpectTables: map[string]int64{"cmp_users": 500, "cmp_gone": 1}, IgnoreTables: []string{"cmp_g*"}}),
	)
	r, _ := w.do(stranger, task.Action{Name: "count", Count: &task.Count{Database: w.database("nothing", "reader")}})
	fails(t, r, "NoSuchDatabase")
	w.secret("wrong", "campus_reader", "not-the-password")
	r, _ = w.do(stranger, task.Action{Name: "count", Count: &task.Count{Database: w.database("campus", "wrong")}})
	fails(t, r, "AccessDenied")
}

func TestAReaderCannotWrite(t *testing.T) {
	w := newWorld(t)
	r, _ := w.do(stranger, task.Action{Name: "q", Query: &task.Query{Database: w.database("campus", "owner"),
		SQL: "DELETE FROM cmp_posts RETURNING id"}})
	fails(t, r, task.DatabaseFailed)
	if n := w.one("campus", "SELECT count(*)::text FROM cmp_posts"); n != "60000" {
		t.Errorf("%s posts are left", n)
	}
}

func TestRotatePassword(t *testing.T) {
	w := newWorld(t)
	w.secret("new", "campus", "a-New-Password-99")
	rotate := task.Action{Name: "rotate", RotatePassword: &task.RotatePassword{Database: w.database("campus", "owner"),
		Role: "campus", PasswordFile: filepath.Join(w.dir, "secrets/new/password")}}
	r, _ := w.do(stranger, rotate)
	succeeds(t, r)
	r, _ = w.do(stranger, rotate) // again, when the old password is of no use any more
	succeeds(t, r)
	ask := func(who string) task.Result {
		r, _ := w.do(
			stranger,
			task.Action{Name: "q", Query: &task.Query{Database: w.database("campus", who), SQL: "SELECT 1"}},
		)
		return r
	}
	fails(t, ask("owner"), "AccessDenied")
	succeeds(t, ask("new"))
}

func TestSessionsAndVersionAndExecute(t *testing.T) {
	w := newWorld(t)
	guest := w.conn("campus")
	sessions := task.Action{Name: "sessions", Deadline: task.Duration(8 * time.Second),
		Sessions: &task.Sessions{Database: w.database("campus", "owner")}}
	r, _ := w.do(stranger, sessions)
	fails(t, r, task.SessionsLeft)
	must(t, guest.Close(context.Background()))
	r, _ = w.do(stranger, sessions)
	succeeds(t, r)

	reader := w.database("campus", "reader")
	version := func(want string) task.Action {
		return task.Action{Name: "version", Version: &task.Version{Database: &reader, Want: want, Normalise: `^([0-9.]+)`,
			SQL: "SELECT value FROM cmp_config WHERE name = 'release'"}}
	}
	r, _ = w.do(stranger, version("1.0"))
	succeeds(t, r)
	r, _ = w.do(stranger, version("2.0"))
	fails(t, r, task.VersionsDiffer)

	r, _ = w.do(stranger, task.Action{Name: "x", Execute: &task.Execute{Database: w.database("campus", "owner"),
		Statements: []task.Statement{
			{SQL: "DELETE FROM cmp_none", IfTable: "cmp_none"},
			{SQL: "UPDATE cmp_config SET value = $1 WHERE name = 'release'", Args: []string{"9'; DROP TABLE cmp_users; --"}},
		}}})
	succeeds(t, r)
	if v := w.one("campus", "SELECT value FROM cmp_config"); !strings.HasPrefix(v, "9'; DROP") {
		t.Errorf("value is %s", v)
	}
}
