// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Rename switches the live database for its replacement. Both renames commit
// or vanish together, so that there is never no live database.
func Rename(ctx context.Context, spec task.Rename, p *evidence.Page) error {
	_, c, err := open(ctx, spec.Database, true, &p.Scrubber)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	for {
		done, err := renamed(ctx, c, spec)
		if err != nil || done {
			p.Fact("live", spec.Live)
			return err
		}
		if err := terminate(ctx, c, spec, p); err != nil {
			return err
		}
		err = swap(ctx, c, spec)
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code != "55006" { // object_in_use: somebody came back in between
			if err != nil {
				return failed(err, "switch the databases")
			}
			continue // the next round proves it
		}
		timer := time.NewTimer(500 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return task.Fail(task.SessionsLeft, "sessions come back to %s as fast as they are ended: %s", spec.Live, pe.Detail)
		}
	}
}

// renamed tells whether the switch was made already, and refuses any picture
// that is neither before nor after.
func renamed(ctx context.Context, c *pgx.Conn, spec task.Rename) (bool, error) {
	there := map[string]bool{}
	rs, err := c.Query(
		ctx,
		"SELECT datname FROM pg_database WHERE datname IN ($1, $2, $3)",
		spec.Live,
		spec.Replacement,
		spec.Replaced,
	)
	if err != nil {
		return false, failed(err, "list the databases")
	}
	names, err := pgx.CollectRows(rs, pgx.RowTo[string])
	if err != nil {
		return false, failed(err, "list the databases")
	}
	for _, n := range names {
		there[n] = true
	}
	switch {
	case there[spec.Live] && there[spec.Replaced] && !there[spec.Replacement]:
		return true, nil
	case there[spec.Live] && there[spec.Replacement] && !there[spec.Replaced]:
		return false, nil
	}
	return false, task.Fail(
		task.NameConflict,
		"cannot switch: of %s (live), %s (replacement) and %s (must not exist yet) there are %v",
		spec.Live,
		spec.Replacement,
		spec.Replaced,
		names,
	)
}

func terminate(ctx context.Context, c *pgx.Conn, spec task.Rename, p *evidence.Page) error {
	var n int
	err := c.QueryRow(ctx, `SELECT count(*) FROM (SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname IN ($1, $2) AND pid <> pg_backend_pid()) x`, spec.Live, spec.Replacement).Scan(&n)
	if err != nil {
		return failed(err, "end the sessions of %s", spec.Live)
	}
	if n > 0 {
		p.Progress("ended %d sessions", n)
	}
	return nil
}

func swap(ctx context.Context, c *pgx.Conn, spec task.Rename) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "ALTER DATABASE "+ident(spec.Live)+" RENAME TO "+ident(spec.Replaced)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "ALTER DATABASE "+ident(spec.Replacement)+" RENAME TO "+ident(spec.Live)); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
