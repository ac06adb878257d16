// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package database is the one way to PostgreSQL: it puts the table prefix into
// statements that name tables as {users}.
package database

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gradus-lms/gradus/test/lms/config"
)

var tableName = regexp.MustCompile(`\{([a-z_]+)\}`)

// Queryer is what both a pool and a transaction can do.
type Queryer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

// DB is a pool, or one transaction of it, with a table prefix.
type DB struct {
	pool   *pgxpool.Pool
	on     Queryer
	prefix string
}

// Open makes a pool; it does not connect yet. The application name is what an
// administrator sees in pg_stat_activity.
func Open(ctx context.Context, cfg config.Database, application string) (*DB, error) {
	settings, err := pgxpool.ParseConfig("sslmode=prefer connect_timeout=5")
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	connection := settings.ConnConfig
	connection.Host, connection.Port = cfg.Host, cfg.Port
	connection.Database, connection.User, connection.Password = cfg.Name, cfg.User, cfg.Password
	connection.TLSConfig, connection.Fallbacks = nil, nil
	connection.RuntimeParams["application_name"] = application
	// The schema changes under a web process that goes on serving: a prepared
	// statement of before the upgrade would fail in its own, unreal way.
	connection.DefaultQueryExecMode = pgx.QueryExecModeExec
	settings.MaxConns = 8
	settings.MaxConnIdleTime = time.Minute
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return &DB{pool: pool, on: pool, prefix: cfg.Prefix}, nil
}

// Close ends all connections.
func (d *DB) Close() { d.pool.Close() }

// Ping says whether the server answers.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.pool.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Wait pings until the server answers or the time is over.
func (d *DB) Wait(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		err := d.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// SQL puts the prefix into a statement.
func (d *DB) SQL(statement string) string {
	return tableName.ReplaceAllString(statement, d.prefix+"$1")
}

// Exec runs a statement and says how many rows it touched.
func (d *DB) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := d.on.Exec(ctx, d.SQL(statement), args...)
	return tag.RowsAffected(), err
}

// ExecPlain runs a statement that names no tables in braces; what stands in
// braces there is somebody's password.
func (d *DB) ExecPlain(ctx context.Context, statement string) error {
	_, err := d.on.Exec(ctx, statement)
	return err
}

// Query runs a statement that returns rows.
func (d *DB) Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error) {
	return d.on.Query(ctx, d.SQL(statement), args...)
}

// Row scans the one row of a query; ErrNoRows when there is none.
func (d *DB) Row(ctx context.Context, statement string, args []any, into ...any) error {
	return d.on.QueryRow(ctx, d.SQL(statement), args...).Scan(into...)
}

// Copy loads rows in bulk.
func (d *DB) Copy(ctx context.Context, table string, columns []string, rows [][]any) error {
	_, err := d.on.CopyFrom(ctx, pgx.Identifier{d.prefix + table}, columns, pgx.CopyFromRows(rows))
	if err != nil {
		return fmt.Errorf("copy into %s: %w", table, err)
	}
	return nil
}

// InTransaction runs the function on a DB that is one transaction.
func (d *DB) InTransaction(ctx context.Context, run func(*DB) error) error {
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		return run(&DB{pool: d.pool, on: tx, prefix: d.prefix})
	})
}

// WithLock runs the function while the advisory lock is held, shared or alone;
// it waits for the lock no longer than the limit (0: no waiting).
func (d *DB) WithLock(ctx context.Context, key int64, mode LockMode, limit time.Duration, run func() error) error {
	return d.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		milliseconds := max(limit.Milliseconds(), 1)
		if _, err := conn.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", milliseconds)); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SELECT "+string(mode)+"($1)", key); err != nil {
			return err
		}
		defer func() {
			// Closing frees the lock even when the statement cannot run any more.
			_ = conn.Conn().Close(context.WithoutCancel(ctx))
		}()
		return run()
	})
}

// LockMode is the function that takes an advisory lock.
type LockMode string

// The two modes of an advisory lock.
const (
	Shared LockMode = "pg_advisory_lock_shared"
	Alone  LockMode = "pg_advisory_lock"
)

// HasTable says whether a table (without its prefix) exists.
func (d *DB) HasTable(ctx context.Context, table string) (bool, error) {
	var found bool
	err := d.Row(ctx, "SELECT to_regclass($1::text) IS NOT NULL", []any{d.prefix + table}, &found)
	return found, err
}

// ServerMajor is the server's major version.
func (d *DB) ServerMajor(ctx context.Context) (int, error) {
	var number int
	err := d.Row(ctx, "SELECT current_setting('server_version_num')::int / 10000", nil, &number)
	return number, err
}

// IsMissing says whether the error is no row, no table or no column.
func IsMissing(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code == "42P01" || server.Code == "42703"
	}
	return errors.Is(err, pgx.ErrNoRows)
}

// IsLockTimeout says whether a lock was not to be had in time.
func IsLockTimeout(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == "55P03"
}
