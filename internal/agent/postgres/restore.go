// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Comments that mark a database as made by us; only such a one is ever dropped.
const (
	markBusy = "gradus: restoring "
	markDone = "gradus: restored "
)

// Restore puts a dump into a fresh database and compares it with its manifest.
func Restore(ctx context.Context, spec task.Restore, p *evidence.Page) error {
	t, err := Resolve(spec.Database, &p.Scrubber)
	if err != nil {
		return err
	}
	m, err := openDump(spec.Dir, spec.Name, p)
	if err != nil {
		return err
	}
	bin, err := findTools(spec.BinDir, "pg_restore", 0)
	if err != nil {
		return err
	}
	c, err := connect(ctx, t, true)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	done, err := makeDatabase(ctx, c, spec, m)
	if err != nil {
		return err
	}
	if !done {
		if err := load(ctx, bin, filepath.Join(spec.Dir, m.File), t.in(spec.Into), spec, p); err != nil {
			return err
		}
		if err := grant(ctx, t.in(spec.Into), spec); err != nil {
			return err
		}
	}
	if err := verify(ctx, t.in(spec.Into), m, spec.Queries, p); err != nil {
		return err
	}
	_, err = c.Exec(ctx, "COMMENT ON DATABASE "+ident(spec.Into)+" IS "+literal(markDone+m.SHA256))
	if err != nil {
		return failed(err, "mark the database %s as restored", spec.Into)
	}
	p.Fact("database", spec.Into)
	return nil
}

// openDump reads a manifest and hashes its dump: a backup that rotted must not be restored.
func openDump(dir, name string, p *evidence.Page) (task.Manifest, error) {
	m, err := readManifest(filepath.Join(dir, name+".json"))
	if err != nil {
		return m, err
	}
	f, err := os.Open(filepath.Join(dir, filepath.Base(m.File)))
	if err != nil {
		return m, task.FailBecause(err, "DumpMissing", "the file of the dump %s is missing", name)
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return m, fmt.Errorf("read dump %s: %w", name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != m.Size || got != m.SHA256 {
		return m, task.Fail(task.HashMismatch, "the dump %s is damaged: its content is not what the manifest says", name)
	}
	p.Fact("sha256", m.SHA256)
	return m, nil
}

// makeDatabase creates the database, or tells that an earlier run finished it.
func makeDatabase(ctx context.Context, c *pgx.Conn, spec task.Restore, m task.Manifest) (bool, error) {
	if done, err := madeBefore(ctx, c, spec, m); done || err != nil {
		return done, err
	}
	sql := "CREATE DATABASE " + ident(spec.Into) + " TEMPLATE template0"
	if m.Encoding != "" {
		sql += " ENCODING " + literal(m.Encoding) + " LC_COLLATE " + literal(m.Collate) + " LC_CTYPE " + literal(m.CType)
	}
	if spec.Owner != "" {
		sql += " OWNER " + ident(spec.Owner)
	}
	if _, err := c.Exec(ctx, sql); err != nil {
		return false, failed(err, "create the database %s", spec.Into)
	}
	if _, err := c.Exec(ctx, "COMMENT ON DATABASE "+ident(spec.Into)+" IS "+literal(markBusy+m.SHA256)); err != nil {
		return false, failed(err, "mark the database %s as ours", spec.Into)
	}
	for _, s := range m.Settings {
		name, v, _ := strings.Cut(s, "=")
		if _, err := c.Exec(ctx, "ALTER DATABASE "+ident(spec.Into)+" SET "+ident(name)+" TO "+settingValue(v)); err != nil {
			return false, failed(err, "give the database its setting %s", name)
		}
	}
	return false, nil
}

// madeBefore tells whether an earlier run finished the database. What an earlier run
// began is dropped; what is not of this dump is refused.
func madeBefore(ctx context.Context, c *pgx.Conn, spec task.Restore, m task.Manifest) (bool, error) {
	var mark *string
	err := c.QueryRow(
		ctx,
		"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1",
		spec.Into,
	).Scan(
		&mark,
	)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, failed(err, "look for the database %s", spec.Into)
	case mark != nil && *mark == markDone+m.SHA256:
		return true, nil
	case mark != nil && *mark == markBusy+m.SHA256:
		if _, err := c.Exec(ctx, "DROP DATABASE "+ident(spec.Into)+" WITH (FORCE)"); err != nil {
			return false, failed(err, "drop the unfinished database %s", spec.Into)
		}
		return false, nil
	}
	return false, task.Fail(
		task.NameConflict,
		"a database %s exists and Gradus did not make it from this dump",
		spec.Into,
	)
}

// settingValue quotes each element, since lists (search_path) are stored as one text.
func settingValue(v string) string {
	var out []string
	for _, e := range strings.Split(v, ",") {
		out = append(out, literal(strings.Trim(strings.TrimSpace(e), `"`)))
	}
	return strings.Join(out, ", ")
}

func load(ctx context.Context, bin, file string, t Target, spec task.Restore, p *evidence.Page) error {
	argv := []string{bin, "--exit-on-error", "--no-owner", "--no-password"}
	if !spec.Privileges {
		argv = append(argv, "--no-privileges")
	}
	if spec.Owner != "" && spec.Owner != t.User {
		argv = append(argv, "--role="+spec.Owner)
	}
	if spec.Jobs > 1 {
		argv = append(argv, "--jobs="+strconv.Itoa(spec.Jobs))
	} else {
		argv = append(argv, "--single-transaction")
	}
	return tool(ctx, append(argv, "--dbname="+t.conninfo(), file), t, io.Discard, p)
}

// grant lets the readers read, now and what comes later.
func grant(ctx context.Context, t Target, spec task.Restore) error {
	if len(spec.Readers) == 0 {
		return nil
	}
	c, err := connect(ctx, t, true)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if spec.Owner != "" && spec.Owner != t.User {
		if _, err := c.Exec(ctx, "SET ROLE "+ident(spec.Owner)); err != nil {
			return failed(err, "act as %s", spec.Owner)
		}
	}
	for _, r := range spec.Readers {
		for _, sql := range []string{
			"GRANT CONNECT ON DATABASE " + ident(t.Name) + " TO " + ident(r),
			"GRANT USAGE ON SCHEMA public TO " + ident(r),
			"GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + ident(r),
			"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO " + ident(r),
			"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO " + ident(r),
			"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON SEQUENCES TO " + ident(r),
		} {
			if _, err := c.Exec(ctx, sql); err != nil {
				return failed(err, "let %s read the database %s", r, t.Name)
			}
		}
	}
	return nil
}

// verify compares a restored database with the manifest of its dump.
func verify(ctx context.Context, t Target, m task.Manifest, queries map[string]string, p *evidence.Page) error {
	c, err := connect(ctx, t, false)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, snapshot); err != nil {
		return failed(err, "begin a snapshot")
	}
	f, err := gather(ctx, c, queries, true)
	if err != nil {
		return err
	}
	if err := record(p, f); err != nil {
		return err
	}
	compare(p, f, task.Count{Queries: queries, Expect: m.Counts, ExpectTables: m.Tables, IgnoreTables: m.WithoutData})
	if err := sequences(ctx, c, p); err != nil {
		return err
	}
	return blocked(p)
}

func ident(s string) string { return pgx.Identifier{s}.Sanitize() }

// literal quotes for statements that take no parameters.
func literal(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
