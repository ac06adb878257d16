// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gradus-lms/gradus/test/lms/account"
	"github.com/gradus-lms/gradus/test/lms/database"
)

// ErrInstalled means that the database holds a Campus already: use upgrade.
var ErrInstalled = errors.New("campus is installed in this database already")

// bookkeeping is what install and upgrade themselves need; no migration makes it.
var bookkeeping = []string{
	`CREATE TABLE IF NOT EXISTS {config} (name text PRIMARY KEY, value text NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS {config_plugins} (
		plugin text NOT NULL, name text NOT NULL, value text NOT NULL, PRIMARY KEY (plugin, name))`,
	`CREATE TABLE IF NOT EXISTS {upgrade_log} (
		id bigserial PRIMARY KEY,
		type int NOT NULL,
		component text NOT NULL,
		version text NOT NULL,
		target text NOT NULL,
		info text NOT NULL,
		details text NOT NULL DEFAULT '',
		at timestamptz NOT NULL DEFAULT clock_timestamp())`,
}

// defaults are the settings of a new live site.
var defaults = map[string]string{
	"site_name": "Campus", "trash_interval": "600",
	"mail_enabled": "1", "mail_sink": "", "smtp_password": "hush-smtp",
	"cron_enabled": "1", "webhook_enabled": "1",
	"payment_enabled": "1", "payment_key": "pk_live_51campus",
	"push_enabled": "1", "push_key": "push-live-51campus",
}

// Install makes the schema of the code's release in an empty database.
func (u *Upgrader) Install(ctx context.Context, adminPassword string) error {
	state, err := Read(ctx, u.DB)
	if err != nil {
		return err
	}
	if state.Installed {
		return ErrInstalled
	}
	for _, statement := range bookkeeping {
		if _, err := u.DB.Exec(ctx, statement); err != nil {
			return fmt.Errorf("install: %w", err)
		}
	}
	if err := takeLock(ctx, u.DB, time.Now(), u.LockLife); err != nil {
		return err
	}
	err = u.install(ctx, state.Savepoint, adminPassword)
	if lockErr := giveLockBack(context.WithoutCancel(ctx), u.DB); err == nil {
		err = lockErr
	}
	if err != nil {
		return err
	}
	u.say("Installation of %s completed successfully.", u.Code)
	return u.Settings.Purge()
}

func (u *Upgrader) install(ctx context.Context, savepoint int, adminPassword string) error {
	if err := u.Settings.SetAll(ctx, defaults); err != nil {
		return err
	}
	// The version row comes last: an install that died starts again after the
	// last savepoint.
	for _, step := range due(u.Code, savepoint) {
		if err := u.runStep(ctx, step); err != nil {
			return u.failed(ctx, "core", step.String(), err)
		}
	}
	if err := u.addAdmin(ctx, adminPassword); err != nil {
		return err
	}
	// Nothing is old in a new site, so that nothing has to be rewritten.
	if _, err := u.DB.Exec(ctx, "DELETE FROM {tasks}"); err != nil {
		return err
	}
	return u.locked(ctx, State{Savepoint: LastSavepoint(u.Code)})
}

func (u *Upgrader) addAdmin(ctx context.Context, password string) error {
	hash, err := account.HashPassword(password, "")
	if err != nil {
		return err
	}
	return u.DB.InTransaction(ctx, func(tx *database.DB) error {
		_, err := tx.Exec(ctx, `INSERT INTO {users} (username, password, email, firstname, lastname, role, created_at)
			VALUES ('admin', $1, 'admin@campus.example', 'Ada', 'Admin', 'admin', $2)
			ON CONFLICT (username) DO UPDATE SET password = excluded.password`, hash, time.Now().Unix())
		if err != nil {
			return err
		}
		return u.Settings.On(tx).SetAll(ctx, map[string]string{"installed_at": strconv.FormatInt(time.Now().Unix(), 10)})
	})
}
