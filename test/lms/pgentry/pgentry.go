// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package pgentry starts PostgreSQL in a pod: it makes the cluster once, then
// becomes the server.
package pgentry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/database"
)

// Entry is what the environment of the pod says.
type Entry struct {
	Data, Bin, Socket string
	Database          string
	Owner, Reader     Login
}

// Login is a role with its password.
type Login struct{ User, Password string }

// FromEnvironment reads the settings of the pod.
func FromEnvironment(getenv func(string) string) (Entry, error) {
	e := Entry{
		Data: getenv("PGDATA"), Bin: getenv("PG_BIN"), Socket: getenv("PG_SOCKET_DIR"), Database: getenv("CAMPUS_DB_NAME"),
		Owner:  Login{getenv("OWNER_USER"), getenv("OWNER_PASSWORD")},
		Reader: Login{getenv("READER_USER"), getenv("READER_PASSWORD")},
	}
	if e.Bin == "" {
		e.Bin = "/usr/lib/postgresql/15/bin"
	}
	if e.Socket == "" {
		e.Socket = "/tmp"
	}
	if e.Data == "" || e.Database == "" || e.Owner.User == "" || e.Reader.User == "" {
		return e, errors.New("PGDATA, CAMPUS_DB_NAME, OWNER_USER and READER_USER are needed")
	}
	return e, nil
}

// Run makes the cluster if there is none and replaces this process by the server.
func (e Entry) Run(ctx context.Context, args []string) error {
	if err := e.Prepare(ctx); err != nil {
		return err
	}
	server := filepath.Join(e.Bin, "postgres")
	argv := append([]string{server, "-D", e.Data, "-c", "listen_addresses=*",
		"-c", "unix_socket_directories=" + e.Socket}, args...)
	return fmt.Errorf("become postgres: %w", syscall.Exec(server, argv, os.Environ()))
}

// Prepare makes the cluster beside its place and moves it there at the end: a
// pod that dies meanwhile starts again from nothing.
func (e Entry) Prepare(ctx context.Context) error {
	_, err := os.Stat(filepath.Join(e.Data, "PG_VERSION"))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	unfinished := e.Data + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("prepare cluster: %w", err)
	}
	initdb := exec.CommandContext(ctx, filepath.Join(e.Bin, "initdb"), "--pgdata", unfinished,
		"--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust")
	initdb.Stdout, initdb.Stderr = os.Stdout, os.Stderr
	if err := initdb.Run(); err != nil {
		return fmt.Errorf("initdb: %w", err)
	}
	if err := e.fill(ctx, unfinished); err != nil {
		return err
	}
	// The socket lies in the pod's own file system: whoever reaches it is inside already.
	access := "local all all trust\nhost all all all scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(unfinished, "pg_hba.conf"), []byte(access), 0o600); err != nil {
		return fmt.Errorf("prepare cluster: %w", err)
	}
	return os.Rename(unfinished, e.Data)
}

// fill makes roles and database on a server that only this process can reach.
func (e Entry) fill(ctx context.Context, data string) (err error) {
	server := exec.CommandContext(ctx, filepath.Join(e.Bin, "postgres"), "-D", data,
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+e.Socket)
	server.Stderr = os.Stderr
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGINT) }
	if err := server.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	defer func() {
		stopErr := server.Process.Signal(syscall.SIGINT)
		if waitErr := server.Wait(); stopErr == nil {
			stopErr = waitErr
		}
		err = errors.Join(err, stopErr)
	}()
	if err := e.in(ctx, "postgres", []string{
		fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD %s", name(e.Owner.User), literal(e.Owner.Password)),
		fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD %s", name(e.Reader.User), literal(e.Reader.Password)),
		fmt.Sprintf("CREATE DATABASE %s OWNER %s", name(e.Database), name(e.Owner.User)),
	}); err != nil {
		return err
	}
	owner, reader := name(e.Owner.User), name(e.Reader.User)
	return e.in(ctx, e.Database, []string{
		fmt.Sprintf("GRANT USAGE ON SCHEMA public TO %s", reader),
		fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT SELECT ON TABLES TO %s", owner, reader),
		fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s GRANT SELECT ON SEQUENCES TO %s", owner, reader),
	})
}

func (e Entry) in(ctx context.Context, databaseName string, statements []string) error {
	server := config.Database{Host: e.Socket, Port: 5432, Name: databaseName, User: "postgres"}
	db, err := database.Open(ctx, server, "campus pg-entry")
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Wait(ctx, time.Minute); err != nil {
		return err
	}
	for _, statement := range statements {
		if err := db.ExecPlain(ctx, statement); err != nil {
			return fmt.Errorf("prepare cluster: %w", err)
		}
	}
	return nil
}

func name(text string) string { return pgx.Identifier{text}.Sanitize() }

// literal quotes a string for statements that take no parameters.
func literal(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}
