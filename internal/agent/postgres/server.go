// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// server is one that we started: on a socket in a directory of ours, nowhere else.
type server struct {
	cmd    *exec.Cmd
	done   chan struct{} // closed when the process and its log have ended
	socket string
	user   string
	mu     sync.Mutex
	last   string
}

// quiet are the settings under which a copy of production's data directory
// can do nothing outside: no archiving over production's archive, no
// replication, no subscriptions, no extension that runs jobs or calls out.
var quiet = []string{
	"listen_addresses=", "logging_collector=off", "log_destination=stderr", "lc_messages=C", "log_min_messages=log",
	"archive_mode=off", "archive_command=", "restore_command=", "primary_conninfo=", "recovery_target_action=promote",
	"max_logical_replication_workers=0", "shared_preload_libraries=", "session_preload_libraries=",
	"local_preload_libraries=", "ssl=off", "external_pid_file=", "autovacuum=off", "max_connections=100",
	"event_triggers=off", "hot_standby=on",
}

// start runs the server in dir and returns when it has recovered and answers.
func start(ctx context.Context, binDir, dir, user, scratch string, p *evidence.Page) (*server, error) {
	major, err := dataMajor(dir)
	if err != nil {
		return nil, err
	}
	bin, err := findTools(binDir, "postgres", major)
	if err != nil {
		return nil, err
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	socket, err := os.MkdirTemp(scratch, "pg-")
	if err != nil {
		return nil, fmt.Errorf("make directory for socket: %w", err)
	}
	hba := filepath.Join(socket, "hba.conf")
	if err := os.WriteFile(hba, []byte("local all all trust\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write access rules: %w", err)
	}
	argv := []string{"-D", dir, "-c", "unix_socket_directories=" + socket, "-c", "hba_file=" + hba,
		"-c", "ident_file=" + hba + ".ident", "-c", "port=5432"}
	for _, q := range quiet {
		if strings.HasPrefix(q, "event_triggers") && major < 17 {
			continue
		}
		argv = append(argv, "-c", q)
	}
	if _, err := os.Stat(filepath.Join(dir, "postgresql.conf")); err != nil {
		// Debian keeps it in /etc; a snapshot of the data has none.
		conf := filepath.Join(socket, "postgresql.conf")
		if err := os.WriteFile(conf, nil, 0o600); err != nil {
			return nil, fmt.Errorf("write configuration: %w", err)
		}
		argv = append(argv, "-c", "config_file="+conf, "-c", "data_directory="+dir)
	}
	if err := os.WriteFile(hba+".ident", nil, 0o600); err != nil {
		return nil, fmt.Errorf("write access rules: %w", err)
	}
	s := &server{cmd: exec.Command(bin, argv...), done: make(chan struct{}), socket: socket, user: user}
	return s, s.await(ctx, p)
}

// prepare makes a cloned data directory startable, and refuses one in use.
func prepare(dir string) error {
	pidFile := filepath.Join(dir, "postmaster.pid")
	if b, err := os.ReadFile(pidFile); err == nil {
		pid, _ := strconv.Atoi(strings.SplitN(string(b), "\n", 2)[0])
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil &&
			strings.HasPrefix(string(comm), "postgres") {
			return task.Fail(task.RecoverFailed, "a server is running on %s", dir)
		}
		// The pid is of another container: in ours it may be anybody's.
		if err := os.Remove(pidFile); err != nil {
			return task.FailBecause(err, task.RecoverFailed, "the copy of the data directory cannot be written")
		}
	}
	// A copy of a replica is not to follow the original.
	for _, f := range []string{"standby.signal", "recovery.signal"} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return task.FailBecause(err, task.RecoverFailed, "the copy of the data directory cannot be written")
		}
	}
	// Kubelets widen modes for fsGroup and the server refuses; not ours to change is not ours to start.
	if err := os.Chmod(dir, 0o700); err != nil {
		return task.FailBecause(
			err,
			task.RecoverFailed,
			"the data directory does not belong to the user of this pod (%d)",
			os.Getuid(),
		)
	}
	return nil
}

// await starts the process and reads its log until it is ready.
func (s *server) await(ctx context.Context, p *evidence.Page) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	s.cmd.Env = append(os.Environ(), "LC_ALL=C")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return task.FailBecause(err, task.RecoverFailed, "the server could not be started")
	}
	w.Close()
	ready := make(chan struct{})
	logDone := make(chan struct{})
	go func() {
		defer close(logDone)
		defer r.Close()
		s.follow(r, ready, p)
	}()
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // why it ended is the last thing that its log says
		<-logDone
	}()
	select {
	case <-ready:
		return nil
	case <-s.done:
		s.mu.Lock()
		defer s.mu.Unlock()
		return task.Fail(task.RecoverFailed, "the server did not start: %s", s.last)
	case <-ctx.Done():
		s.stop()
		return task.Fail(task.DeadlineExceeded, "the server had not recovered at the deadline")
	}
}

// target is a database of this server.
func (s *server) target(name string) Target {
	return Target{Host: s.socket, Port: 5432, Name: name, User: s.user, TLS: "disable"}
}

// stop shuts the server down cleanly, or else at once; a failure is told but the
// proof is complete by then.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	timer := time.NewTimer(60 * time.Second)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
	}
	_ = os.RemoveAll(s.socket)
}

// passwd is the environment for initdb, which insists on a name for its uid.
// Images of the database have libnss_wrapper for users that have none.
func passwd(scratch string) ([]string, error) {
	if _, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		return nil, nil
	}
	var lib []string
	for _, g := range []string{"/usr/lib/*/libnss_wrapper.so", "/usr/lib/libnss_wrapper.so",
		"/usr/lib64/libnss_wrapper.so", "/opt/bitnami/common/lib/libnss_wrapper.so"} {
		found, _ := filepath.Glob(g)
		lib = append(lib, found...)
	}
	if len(lib) == 0 {
		return nil, task.Fail(
			"NoUser",
			"the image has no user for uid %d, which initdb needs; set the pod's runAsUser to the image's own",
			os.Getuid(),
		)
	}
	pw, gr := filepath.Join(scratch, "passwd"), filepath.Join(scratch, "group")
	line := fmt.Sprintf("postgres:x:%d:%d::%s:/bin/false\n", os.Getuid(), os.Getgid(), scratch)
	if err := os.WriteFile(pw, []byte(line), 0o600); err != nil {
		return nil, fmt.Errorf("write passwd: %w", err)
	}
	if err := os.WriteFile(gr, []byte(fmt.Sprintf("postgres:x:%d:\n", os.Getgid())), 0o600); err != nil {
		return nil, fmt.Errorf("write group: %w", err)
	}
	return []string{"LD_PRELOAD=" + lib[0], "NSS_WRAPPER_PASSWD=" + pw, "NSS_WRAPPER_GROUP=" + gr}, nil
}
