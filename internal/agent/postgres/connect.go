// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package postgres is what the agent knows about PostgreSQL. Another engine
// gets a package of its own with the same functions.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Target is a database whose files have been read.
type Target struct {
	Host, Name, User, Password, TLS, CAFile, Schema string
	Port                                            int
}

// Resolve reads the files that d names; the password is scrubbed from then on.
func Resolve(d task.Database, s *evidence.Scrubber) (Target, error) {
	t := Target{Host: d.Host, Port: d.Port, Name: d.Name, User: d.User, TLS: d.TLS, CAFile: d.CAFile, Schema: d.Schema}
	if d.Engine != "" && d.Engine != task.PostgreSQL {
		return Target{}, task.Fail("EngineUnknown", "this agent does not know the database engine %q", d.Engine)
	}
	port, err := t.read(d)
	if err != nil {
		return Target{}, err
	}
	s.Add(t.Password)
	if port != "" {
		p, err := strconv.Atoi(port)
		if err != nil {
			return Target{}, fmt.Errorf("read database port: %w", err)
		}
		t.Port = p
	}
	if t.Port == 0 {
		t.Port = 5432
	}
	if t.TLS == "" {
		t.TLS = "prefer"
	}
	if t.Host == "" || t.Name == "" || t.User == "" {
		return Target{}, task.Fail(task.InvalidTask, "a database needs host, name and user")
	}
	return t, nil
}

// read takes what d keeps in files; of the port it gives the text.
func (t *Target) read(d task.Database) (port string, err error) {
	user, password := credentials(d)
	for _, f := range []struct {
		path string
		into *string
	}{
		{user, &t.User}, {password, &t.Password},
		{d.HostFile, &t.Host}, {d.NameFile, &t.Name}, {d.PortFile, &port},
	} {
		if f.path == "" {
			continue
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			return "", task.FailBecause(err, "CredentialsMissing", "read database credentials")
		}
		*f.into = strings.TrimSpace(string(b))
	}
	return port, nil
}

// credentials gives the files of user and password; "" where d names none.
func credentials(d task.Database) (user, password string) {
	user, password = d.UserFile, d.PasswordFile
	if d.CredentialsDir == "" {
		return user, password
	}
	if user == "" {
		user = filepath.Join(d.CredentialsDir, "username")
	}
	if password == "" {
		password = filepath.Join(d.CredentialsDir, "password")
	}
	return user, password
}

// in is the same server with another database.
func (t Target) in(name string) Target {
	t.Name = name
	return t
}

// conninfo is the form that both pgx and libpq read; it has no password.
func (t Target) conninfo() string {
	parts := []string{"host=" + quote(t.Host), "port=" + strconv.Itoa(t.Port), "dbname=" + quote(t.Name),
		"user=" + quote(t.User), "sslmode=" + quote(t.TLS), "application_name=gradus", "connect_timeout=15"}
	if t.CAFile != "" {
		parts = append(parts, "sslrootcert="+quote(t.CAFile))
	}
	return strings.Join(parts, " ")
}

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// env is the environment of libpq's programs.
func (t Target) env() []string {
	return append(os.Environ(), "PGPASSWORD="+t.Password, "PGPASSFILE=/dev/null", "LC_ALL=C", "HOME="+os.TempDir())
}

// open resolves a database and connects to it.
func open(ctx context.Context, d task.Database, write bool, s *evidence.Scrubber) (Target, *pgx.Conn, error) {
	t, err := Resolve(d, s)
	if err != nil {
		return Target{}, nil, err
	}
	c, err := connect(ctx, t, write)
	return t, c, err
}

// connect opens a session. A reading session cannot write, whatever the SQL says.
func connect(ctx context.Context, t Target, write bool) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(t.conninfo())
	if err != nil {
		return nil, fmt.Errorf("read connection settings of %s: %w", t.Name, err)
	}
	cfg.Password = t.Password
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	if !write {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if t.Schema != "" && t.Schema != "public" {
		cfg.RuntimeParams["search_path"] = pgx.Identifier{t.Schema}.Sanitize() + ", public"
	}
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, unreachable(err, t)
	}
	return c, nil
}

// unreachable says in one sentence why there is no session.
func unreachable(err error, t Target) error {
	where := t.Name + " at " + net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case "28P01", "28000":
			return task.Fail("AccessDenied", "the database %s refuses the user %s: %s", where, t.User, pe.Message)
		case "3D000":
			return task.Fail("NoSuchDatabase", "there is no database %s", where)
		}
		return task.Fail("DatabaseUnreachable", "the database %s refuses the session: %s", where, pe.Message)
	}
	return task.FailBecause(err, "DatabaseUnreachable", "the database %s does not answer", where)
}

// rows runs one statement and gives its values as text, row by row.
func rows(ctx context.Context, c *pgx.Conn, sql string, each func(cols []string, vals [][]byte) error) error {
	rr := c.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	var cols []string
	for rr.NextRow() {
		if cols == nil {
			for _, f := range rr.FieldDescriptions() {
				cols = append(cols, f.Name)
			}
		}
		if err := each(cols, rr.Values()); err != nil {
			_, _ = rr.Close()
			return err
		}
	}
	_, err := rr.Close()
	return err
}

// value gives the first row, its columns joined with a bar; "" when there is none.
func value(ctx context.Context, c *pgx.Conn, sql string) (string, error) {
	out, first := "", true
	err := rows(ctx, c, sql, func(_ []string, vals [][]byte) error {
		if !first {
			return nil
		}
		first = false
		parts := make([]string, len(vals))
		for i, v := range vals {
			parts[i] = string(v)
		}
		out = strings.Join(parts, "|")
		return nil
	})
	return out, err
}

// failed wraps what the server said.
func failed(err error, format string, args ...any) error {
	var f *task.Failure
	if errors.As(err, &f) {
		return err
	}
	return task.FailBecause(err, task.DatabaseFailed, format, args...)
}
