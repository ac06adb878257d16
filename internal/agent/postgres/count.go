// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// snapshot is the transaction in which everything is counted: figures of
// different moments prove nothing.
const snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

// Figures are the numbers of one database at one moment.
type Figures struct {
	Counts map[string]string `json:"counts,omitempty"`
	Tables map[string]int64  `json:"tables,omitempty"`
}

// gather counts within the transaction of c.
func gather(ctx context.Context, c *pgx.Conn, queries map[string]string, tables bool) (Figures, error) {
	f := Figures{Counts: map[string]string{}}
	for _, name := range sorted(queries) {
		v, err := value(ctx, c, queries[name])
		if err != nil {
			return f, failed(err, "the integrity query %q failed", name)
		}
		f.Counts[name] = v
	}
	if !tables {
		return f, nil
	}
	f.Tables = map[string]int64{}
	names, err := tableNames(ctx, c)
	if err != nil {
		return f, err
	}
	for _, n := range names {
		v, err := value(ctx, c, "SELECT count(*) FROM "+n.quoted)
		var pe *pgconn.PgError
		if errors.As(err, &pe) && pe.Code == "42501" {
			return f, task.Fail("AccessDenied", "the database user may not read the table %s", n.plain)
		}
		if err != nil {
			return f, failed(err, "count the rows of %s", n.plain)
		}
		if f.Tables[n.plain], err = strconv.ParseInt(v, 10, 64); err != nil {
			return f, fmt.Errorf("read row count of %s: %w", n.plain, err)
		}
	}
	return f, nil
}

type tableName struct{ plain, quoted string }

func tableNames(ctx context.Context, c *pgx.Conn) ([]tableName, error) {
	var out []tableName
	err := rows(ctx, c, `SELECT n.nspname, t.relname FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
		WHERE t.relkind = 'r' AND t.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
		ORDER BY 1, 2`, func(_ []string, v [][]byte) error {
		plain := string(v[1])
		if s := string(v[0]); s != "public" {
			plain = s + "." + plain
		}
		out = append(out, tableName{plain, pgx.Identifier{string(v[0]), string(v[1])}.Sanitize()})
		return nil
	})
	if err != nil {
		return nil, failed(err, "list the tables")
	}
	return out, nil
}

// Count gathers figures and compares them.
func Count(ctx context.Context, spec task.Count, p *evidence.Page) error {
	t, err := Resolve(spec.Database, &p.Scrubber)
	if err != nil {
		return err
	}
	if err := expectManifest(&spec); err != nil {
		return err
	}
	c, err := connect(ctx, t, false)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, snapshot); err != nil {
		return failed(err, "begin a snapshot")
	}
	f, err := gather(ctx, c, spec.Queries, spec.Tables || len(spec.ExpectTables) > 0)
	if err != nil {
		return err
	}
	if err := record(p, f); err != nil {
		return err
	}
	compare(p, f, spec)
	if spec.Sequences {
		if err := sequences(ctx, c, p); err != nil {
			return err
		}
	}
	return blocked(p)
}

// expectManifest expects what the manifest of a dump says, where the task itself says nothing.
func expectManifest(spec *task.Count) error {
	if spec.ManifestFile == "" {
		return nil
	}
	m, err := readManifest(spec.ManifestFile)
	if err != nil {
		return err
	}
	if spec.Expect == nil {
		spec.Expect = m.Counts
	}
	if spec.ExpectTables == nil {
		spec.ExpectTables = m.Tables
	}
	return nil
}

// blocked fails with the first blocking finding, if there is one.
func blocked(p *evidence.Page) error {
	if p.Blocked == 0 {
		return nil
	}
	more := ""
	if p.Blocked > 1 {
		more = fmt.Sprintf(" (and %d more)", p.Blocked-1)
	}
	return task.Fail(p.First.Code, "%s%s", p.First.Message, more)
}

// record writes figures as facts and as a document.
func record(p *evidence.Page, f Figures) error {
	for k, v := range f.Counts {
		p.Fact(k, v)
	}
	if f.Tables != nil {
		var sum int64
		for _, n := range f.Tables {
			sum += n
		}
		p.Fact("tables", strconv.Itoa(len(f.Tables)))
		p.Fact("rows", strconv.FormatInt(sum, 10))
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	return p.Document("figures.json", b)
}

// compare turns differences into findings.
func compare(p *evidence.Page, f Figures, spec task.Count) {
	for _, name := range sorted(spec.Expect) {
		if _, asked := spec.Queries[name]; !asked {
			continue // the other side counted more; what was not asked here is no difference
		}
		if got, want := f.Counts[name], spec.Expect[name]; got != want {
			p.Find(task.Blocking, task.CountsDiffer, name, "%s: %s expected, %s found", name, orNone(want), orNone(got))
		}
	}
	for _, name := range sorted(spec.NotMore) {
		got, e1 := strconv.ParseFloat(f.Counts[name], 64)
		limit, e2 := strconv.ParseFloat(spec.NotMore[name], 64)
		if e1 != nil || e2 != nil || got > limit {
			p.Find(task.Blocking, task.CountsDiffer, name, "%s: at most %s expected, %s found",
				name, orNone(spec.NotMore[name]), orNone(f.Counts[name]))
		}
	}
	for _, name := range sorted(spec.ExpectTables) {
		got, there := f.Tables[name]
		switch {
		case ignored(name, spec.IgnoreTables):
		case !there:
			p.Find(
				task.Blocking,
				task.CountsDiffer,
				name,
				"the table %s is missing (%d rows expected)",
				name,
				spec.ExpectTables[name],
			)
		case got != spec.ExpectTables[name]:
			p.Find(
				task.Blocking,
				task.CountsDiffer,
				name,
				"the table %s has %d rows, %d expected",
				name,
				got,
				spec.ExpectTables[name],
			)
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// ignored knows names and names with a star at the end.
func ignored(name string, list []string) bool {
	for _, i := range list {
		if prefix, star := strings.CutSuffix(i, "*"); i == name || (star && strings.HasPrefix(name, prefix)) {
			return true
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// readManifest reads the manifest of a dump.
func readManifest(path string) (task.Manifest, error) {
	var m task.Manifest
	b, err := os.ReadFile(path)
	if err != nil {
		return m, task.FailBecause(err, "ManifestMissing", "read the manifest of the dump")
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, task.FailBecause(err, "ManifestInvalid", "read the manifest %s", path)
	}
	if m.Format != task.ManifestFormat {
		return m, task.Fail("ManifestInvalid", "the manifest %s has the unknown format %q", path, m.Format)
	}
	return m, nil
}
