// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
	"github.com/gradus-lms/gradus/test/lms/plugin"
)

// upgradePlugins brings every plugin of the image to its version and drops the
// ones that core no longer has. A plugin that is missing keeps its tables, and
// nobody says a word about it.
func (u *Upgrader) upgradePlugins(ctx context.Context) error {
	stored, err := plugin.Versions(ctx, u.DB)
	if err != nil {
		return err
	}
	for _, entry := range plugin.Compare(u.Code, u.Disk, stored) {
		var err error
		switch entry.Status {
		case plugin.New, plugin.Upgrade:
			err = u.upgradePlugin(ctx, entry)
		case plugin.Delete:
			err = u.removePlugin(ctx, entry)
		case plugin.Downgrade:
			err = errors.New("the image has an older version than the database")
		case plugin.Missing, plugin.UpToDate:
		}
		if err != nil {
			return u.failed(ctx, entry.Component, fmt.Sprint(entry.VersionDisk), err)
		}
	}
	return nil
}

func (u *Upgrader) upgradePlugin(ctx context.Context, entry plugin.Entry) error {
	if err := extendLock(ctx, u.DB, time.Now(), u.LockLife); err != nil {
		return err
	}
	u.say("-->%s %d", entry.Component, entry.VersionDisk)
	start := time.Now()
	err := u.DB.InTransaction(ctx, func(tx *database.DB) error {
		for _, migration := range u.Disk[entry.Component].Migrations {
			if migration.Version <= entry.VersionDatabase {
				continue
			}
			for _, statement := range migration.SQL {
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("migration %q: %w", migration.Name, err)
				}
			}
		}
		if u.Faults.Is(fault.PluginBreak, entry.Component) {
			return fmt.Errorf("call to undefined function (fault %s)", fault.PluginBreak)
		}
		_, err := tx.Exec(ctx, `INSERT INTO {config_plugins} (plugin, name, value) VALUES ($1, 'version', $2)
			ON CONFLICT (plugin, name) DO UPDATE SET value = excluded.value`,
			entry.Component, fmt.Sprint(entry.VersionDisk))
		if err != nil {
			return err
		}
		return u.log(ctx, tx, entry.Component, fmt.Sprint(entry.VersionDisk), "Upgrade savepoint reached")
	})
	if err != nil {
		return err
	}
	u.say("%s++ Success (%.2f seconds) ++%s", green, time.Since(start).Seconds(), plain)
	return nil
}

func (u *Upgrader) removePlugin(ctx context.Context, entry plugin.Entry) error {
	u.say("-->%s removed", entry.Component)
	return u.DB.InTransaction(ctx, func(tx *database.DB) error {
		for _, table := range plugin.RemovedTables(entry.Component) {
			if _, err := tx.Exec(ctx, "DROP TABLE IF EXISTS {"+table+"}"); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "DELETE FROM {config_plugins} WHERE plugin = $1", entry.Component); err != nil {
			return err
		}
		return u.log(ctx, tx, entry.Component, "removed", "Upgrade savepoint reached")
	})
}
