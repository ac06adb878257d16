// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Value runs a statement that gives one value.
func Value(ctx context.Context, d task.Database, sql string, s *evidence.Scrubber) (string, error) {
	out := ""
	first := true
	err := Each(ctx, d, sql, s, func(_ []string, v []string) error {
		if first {
			out, first = strings.Join(v, "|"), false
		}
		return nil
	})
	return out, err
}

// Each runs a reading statement and hands over its rows, one by one.
func Each(ctx context.Context, d task.Database, sql string, s *evidence.Scrubber,
	each func(cols, vals []string) error) error {
	_, c, err := open(ctx, d, false, s)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	err = rows(ctx, c, sql, func(cols []string, vals [][]byte) error {
		text := make([]string, len(vals))
		for i, v := range vals {
			text[i] = string(v)
		}
		return each(cols, text)
	})
	if err != nil {
		return failed(err, "run the query")
	}
	return nil
}

// Query runs a statement; its rows become a document.
func Query(ctx context.Context, spec task.Query, p *evidence.Page) error {
	limit := spec.MaxRows
	if limit == 0 {
		limit = 10000
	}
	list, n, first := []map[string]string{}, 0, map[string]string{}
	err := Each(ctx, spec.Database, spec.SQL, &p.Scrubber, func(cols, vals []string) error {
		n++
		row := make(map[string]string, len(cols))
		for i, c := range cols {
			row[c] = vals[i]
		}
		if n == 1 {
			first = row
		}
		if len(list) < limit {
			list = append(list, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Fact("rows", strconv.Itoa(n))
	for k, v := range first {
		p.Fact(k, v)
	}
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	if err := p.Document("rows.json", b); err != nil {
		return err
	}
	for _, k := range sorted(spec.Expect) {
		if first[k] != spec.Expect[k] {
			p.Find(task.Blocking, task.CheckFailed, k, "%s: %s expected, %s found", k, orNone(spec.Expect[k]), orNone(first[k]))
		}
	}
	return blocked(p)
}

// Execute runs statements in one transaction.
func Execute(ctx context.Context, spec task.Execute, p *evidence.Page) error {
	_, c, err := open(ctx, spec.Database, true, &p.Scrubber)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	tx, err := c.Begin(ctx)
	if err != nil {
		return failed(err, "begin a transaction")
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for i, s := range spec.Statements {
		if s.IfTable != "" {
			var there bool
			if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.IfTable).Scan(&there); err != nil {
				return failed(err, "look for the table %s", s.IfTable)
			}
			if !there {
				continue
			}
		}
		args := make([]any, len(s.Args))
		for j, a := range s.Args {
			args[j] = a
		}
		tag, err := tx.Exec(ctx, s.SQL, args...)
		if err != nil {
			return failed(err, "run statement %d", i+1)
		}
		p.Progress("statement %d: %s", i+1, tag)
	}
	if err := tx.Commit(ctx); err != nil {
		return failed(err, "commit")
	}
	return nil
}

// Sessions waits until a database has no more sessions than allowed.
func Sessions(ctx context.Context, spec task.Sessions, p *evidence.Page) error {
	t, c, err := open(ctx, spec.Database, false, &p.Scrubber)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n, who := 0, []string{}
		err := rows(ctx, c, `SELECT coalesce(nullif(application_name, ''), usename), count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
			AND coalesce(backend_type, 'client backend') = 'client backend' -- NULL when we may not see what others are
			GROUP BY 1 ORDER BY 2 DESC, 1`, func(_ []string, v [][]byte) error {
			k, err := strconv.Atoi(string(v[1]))
			n += k
			who = append(who, fmt.Sprintf("%s (%d)", v[0], k))
			return err
		})
		if err != nil {
			return failed(err, "count the sessions")
		}
		p.Fact("sessions", strconv.Itoa(n))
		p.Fact("programs", strings.Join(who, ", "))
		if n <= spec.Max {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return task.Fail(
				task.SessionsLeft,
				"%d sessions are still open on the database %s: %s",
				n,
				t.Name,
				strings.Join(who, ", "),
			)
		}
	}
}
