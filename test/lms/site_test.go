// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/stats"
)

// site is one Campus with a database and a data root of its own.
type site struct {
	t       *testing.T
	name    string
	root    string
	db      *database.DB
	env     []string
	plugins map[string]string // release → plugin folder
}

var sites atomic.Int64

// newSite makes an empty site; the test is left out without PostgreSQL.
func newSite(t *testing.T) *site {
	t.Helper()
	if lab.leftOut != "" {
		t.Skip(lab.leftOut)
	}
	t.Parallel()
	s := &site{t: t, name: fmt.Sprintf("site%d", sites.Add(1)), root: t.TempDir(), plugins: map[string]string{}}
	admin, err := database.Open(t.Context(), ownerOf("campus"), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+s.name); err != nil {
		t.Fatal(err)
	}
	if s.db, err = database.Open(t.Context(), ownerOf(s.name), "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	return s
}

// seeded is a site of a release with sample data of size S.
func seeded(t *testing.T, release string) *site {
	t.Helper()
	s := newSite(t)
	s.must(release, "install")
	s.must(release, "seed", "--size", "S", "--seed", "7", "--url", "http://campus.example")
	return s
}

// with adds to the environment of every command from here on.
func (s *site) with(env ...string) *site {
	s.env = append(s.env, env...)
	return s
}

func (s *site) command(ctx context.Context, release string, args ...string) *exec.Cmd {
	plugins, found := s.plugins[release]
	if !found {
		plugins = "/nonexistent"
	}
	cmd := exec.CommandContext(ctx, binary(release), args...)
	cmd.Env = append([]string{
		"CAMPUS_DB_HOST=127.0.0.1", fmt.Sprintf("CAMPUS_DB_PORT=%d", lab.port), "CAMPUS_DB_NAME=" + s.name,
		"CAMPUS_DB_USER=campus", "CAMPUS_DB_PASSWORD=" + ownerPassword, "CAMPUS_DATA_ROOT=" + s.root,
		"CAMPUS_FAULTS_FILE=/nonexistent", "CAMPUS_PLUGIN_DIR=" + plugins,
		"CAMPUS_BASE_URL=http://campus.example",
	}, s.env...)
	return cmd
}

// outcome is what a command left.
type outcome struct {
	code        int
	out, errOut string
}

func (o outcome) String() string {
	return fmt.Sprintf("code %d\nstdout: %s\nstderr: %s", o.code, o.out, o.errOut)
}

// run runs the command of a release to its end; a signal is code -1.
func (s *site) run(release string, args ...string) outcome {
	s.t.Helper()
	cmd := s.command(s.t.Context(), release, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		s.t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func (s *site) must(release string, args ...string) string {
	s.t.Helper()
	got := s.run(release, args...)
	if got.code != 0 {
		s.t.Fatalf("campus %s %s: %s", release, strings.Join(args, " "), got)
	}
	return got.out
}

// expect runs a command and compares its code and what it says.
func (s *site) expect(code int, text, release string, args ...string) {
	s.t.Helper()
	got := s.run(release, args...)
	if got.code != code || !strings.Contains(got.out+got.errOut, text) {
		s.t.Errorf("campus %s %s: want code %d and %q, got %s", release, strings.Join(args, " "), code, text, got)
	}
}

func (s *site) stats(release string) stats.Report {
	s.t.Helper()
	var report stats.Report
	if err := json.Unmarshal([]byte(s.must(release, "stats", "--json", "--hash-files")), &report); err != nil {
		s.t.Fatal(err)
	}
	return report
}

// number asks the database for one number.
func (s *site) number(query string, args ...any) int64 {
	s.t.Helper()
	var n int64
	if err := s.db.Row(s.t.Context(), query, args, &n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *site) exec(statement string, args ...any) {
	s.t.Helper()
	if _, err := s.db.Exec(s.t.Context(), statement, args...); err != nil {
		s.t.Fatal(err)
	}
}

// letLockExpire moves the end of the lock to the past, as time would.
func (s *site) letLockExpire() {
	s.t.Helper()
	s.exec("UPDATE {config} SET value = '1' WHERE name = 'upgraderunning'")
	if err := os.RemoveAll(filepath.Join(s.root, "cache")); err != nil {
		s.t.Fatal(err)
	}
}

var listens = regexp.MustCompile(`^(.*) listens on .*:(\d+)$`)

// start runs a server of a release until the test ends and gives its addresses,
// in the order in which it says them.
func (s *site) start(release string, count int, args ...string) []string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := s.command(ctx, release, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	var addresses []string
	lines := bufio.NewScanner(pipe)
	for len(addresses) < count && lines.Scan() {
		if match := listens.FindStringSubmatch(lines.Text()); match != nil {
			addresses = append(addresses, match[1]+"=127.0.0.1:"+match[2])
		}
	}
	if len(addresses) < count {
		s.t.Fatalf("campus %s %v did not listen", release, args)
	}
	return addresses
}

// serve starts the web server of a release.
func (s *site) serve(release string, flags ...string) *browser {
	s.t.Helper()
	args := append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)
	_, address, _ := strings.Cut(s.start(release, 1, args...)[0], "=")
	return newBrowser(s.t, "http://"+address)
}
