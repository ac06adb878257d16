// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

func TestAwaitClosed(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer open.Close()
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	shut.Close()
	run := func(args ...string) (int, string) {
		var out bytes.Buffer
		return Main(context.Background(), append([]string{"await-closed"}, args...), &out, &out), out.String()
	}
	if code, out := run("--canary", shut.Addr().String()); code != 0 || !strings.Contains(out, "refused") {
		t.Errorf("closed: %d %s", code, out)
	}
	code, out := run("--canary", shut.Addr().String(), "--canary", open.Addr().String(), "--timeout", "300ms")
	if code != 1 || !strings.Contains(out, "answers") {
		t.Errorf("one is open: %d %s", code, out)
	}
	if code, out = run("--canary", "no-such-name.invalid:80", "--timeout", "300ms"); code != 1 {
		t.Errorf("a name that does not resolve: %d %s", code, out)
	}
	if code, _ = run(); code != 2 {
		t.Errorf("without a canary: %d", code)
	}
}

func TestAwaitClosedWaitsForAPolicyThatIsLate(t *testing.T) {
	late, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	seen := make(chan bool, 100)
	go func() {
		for {
			c, err := late.Accept()
			if err != nil {
				return
			}
			c.Close()
			seen <- true
		}
	}()
	go func() { <-seen; <-seen; late.Close() }()
	var out bytes.Buffer
	if code := Main(context.Background(), []string{"await-closed", "--canary", late.Addr().String()}, &out, &out); code != 0 {
		t.Errorf("left with %d: %s", code, &out)
	}
}

func TestHoldingPage(t *testing.T) {
	s := httptest.NewServer(holding([]byte("<h1>Back soon</h1>"), time.Minute))
	defer s.Close()
	for path, want := range map[string]int{"/": 503, "/login/index.php": 503, "/healthz": 200} {
		resp, err := http.Get(s.URL + path)
		must(t, err)
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != want ||
			(want == 503 && (resp.Header.Get("Retry-After") != "60" || !strings.Contains(string(b), "Back soon"))) {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestInstall(t *testing.T) {
	to := filepath.Join(t.TempDir(), "gradus")
	if code := Main(context.Background(), []string{"install", "--to", to}, io.Discard, os.Stderr); code != 0 {
		t.Fatalf("left with %d", code)
	}
	fi, err := os.Stat(to)
	must(t, err)
	if fi.Mode().Perm() != 0o755 || fi.Size() < 1<<20 {
		t.Errorf("is %v", fi)
	}
}

func TestHelp(t *testing.T) {
	for _, s := range subcommands() {
		var out bytes.Buffer
		if code := Main(context.Background(), []string{s.name, "--help"}, &out, io.Discard); code != 0 ||
			!strings.HasPrefix(out.String(), "Usage: gradus agent "+s.name) {
			t.Errorf("%s: %d %s", s.name, code, &out)
		}
		if code := Main(context.Background(), []string{s.name, "--nonsense"}, io.Discard, &out); code != 2 {
			t.Errorf("%s: a bad flag gives %d", s.name, code)
		}
	}
}

// An invalid task is a result too: run leaves with 0 and report tells it.
func TestAnInvalidTaskIsReported(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "not JSON": "{", "an unknown field": `{"actions":[],"x":1}`, "no actions": `{"actions":[]}`} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(task.EnvTask, text)
			out := t.TempDir()
			if code := Main(context.Background(), []string{"run", "--out", out, "--tmp", t.TempDir()}, io.Discard, os.Stderr); code != 0 {
				t.Errorf("run left with %d", code)
			}
			r, _, _ := told(t, out)
			fails(t, r, task.InvalidTask)
		})
	}
}

func TestAMissingResultIsReported(t *testing.T) {
	out := t.TempDir()
	term := filepath.Join(out, "termination")
	if code := Main(context.Background(), []string{"report", "--out", out, "--termination", term}, io.Discard, io.Discard); code != 1 {
		t.Errorf("report left with %d", code)
	}
	b, err := os.ReadFile(term)
	must(t, err)
	if !strings.Contains(string(b), task.NoResult) {
		t.Errorf("termination message is %s", b)
	}
}
