// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
)

// ErrLocked means that an upgrade runs or was killed: wait for the lock to expire.
var ErrLocked = errors.New("site is being upgraded")

// takeLock writes the epoch until which everybody else must stay away. Nothing
// takes it away when the process is killed: it runs out.
func takeLock(ctx context.Context, db *database.DB, now time.Time, life time.Duration) error {
	rows, err := db.Exec(ctx, `INSERT INTO {config} AS c (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE c.value::bigint <= $3`,
		rowLock, fmt.Sprint(now.Add(life).Unix()), now.Unix())
	if err != nil {
		return fmt.Errorf("take upgrade lock: %w", err)
	}
	if rows == 0 {
		return ErrLocked
	}
	return nil
}

func extendLock(ctx context.Context, db *database.DB, now time.Time, life time.Duration) error {
	_, err := db.Exec(ctx, "UPDATE {config} SET value = $2 WHERE name = $1", rowLock, fmt.Sprint(now.Add(life).Unix()))
	if err != nil {
		return fmt.Errorf("extend upgrade lock: %w", err)
	}
	return nil
}

func giveLockBack(ctx context.Context, db *database.DB) error {
	_, err := db.Exec(ctx, "DELETE FROM {config} WHERE name = $1", rowLock)
	if err != nil {
		return fmt.Errorf("give upgrade lock back: %w", err)
	}
	return nil
}
