// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/release"
	"github.com/gradus-lms/gradus/test/lms/setting"
)

const (
	green = "\x1b[32m"
	plain = "\x1b[0m"
)

// Upgrader brings a database to the release of the code.
type Upgrader struct {
	DB       *database.DB
	Settings *setting.Store
	Code     release.Release
	Disk     map[string]plugin.Manifest
	Faults   fault.Set
	LockLife time.Duration
	Out      io.Writer
}

// Upgrade runs every step that is due. It does not switch maintenance on, and
// whoever serves the site meanwhile is only told by the lock.
func (u *Upgrader) Upgrade(ctx context.Context) error {
	before, err := Read(ctx, u.DB)
	if err != nil {
		return err
	}
	reasons, err := Gates(ctx, u.DB, before, u.Code, u.Disk)
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		return &RefusedError{reasons}
	}
	if !before.Pending(u.Code, u.Disk) {
		u.say("No upgrade needed for the installed version %s.", u.Code)
		return nil
	}
	if err := takeLock(ctx, u.DB, time.Now(), u.LockLife); err != nil {
		return err
	}
	if err := u.Settings.Purge(); err != nil {
		return err
	}
	err = u.locked(ctx, before)
	// An upgrade that fails gives the lock back; one that is killed cannot.
	if lockErr := giveLockBack(context.WithoutCancel(ctx), u.DB); err == nil {
		err = lockErr
	}
	if purgeErr := u.Settings.Purge(); err == nil {
		err = purgeErr
	}
	if err != nil {
		return err
	}
	u.say("Command line upgrade from %s (%d) to %s completed successfully.", before.Release, before.Version, u.Code)
	return nil
}

func (u *Upgrader) locked(ctx context.Context, before State) error {
	if err := u.log(ctx, u.DB, "core", u.Code.Name, "Upgrade started"); err != nil {
		return err
	}
	err := u.Settings.SetAll(ctx, map[string]string{
		rowVersion: strconv.FormatInt(u.Code.Version, 10),
		rowRelease: u.Code.Name,
	})
	if err != nil {
		return err
	}
	for _, step := range due(u.Code, before.Savepoint) {
		if err := u.runStep(ctx, step); err != nil {
			return u.failed(ctx, "core", step.String(), err)
		}
	}
	if err := u.upgradePlugins(ctx); err != nil {
		return err
	}
	if err := u.loseRows(ctx); err != nil {
		return err
	}
	hash := plugin.Hash(u.Code, u.Disk)
	if len(u.Faults.Subjects(fault.PendingNever)) > 0 {
		hash = "never"
	}
	return u.Settings.SetAll(ctx, map[string]string{rowHash: hash})
}

func (u *Upgrader) runStep(ctx context.Context, step Step) error {
	if err := extendLock(ctx, u.DB, time.Now(), u.LockLife); err != nil {
		return err
	}
	u.say("-->core %s", step)
	start := time.Now()
	err := step.run(ctx, u.DB, hooks{
		half: func(db *database.DB) error { return u.strike(ctx, db, step.String()) },
		done: func(db *database.DB) error {
			return u.Settings.On(db).SetAll(ctx, map[string]string{rowSavepoint: strconv.Itoa(step.Number)})
		},
	})
	if err != nil {
		return err
	}
	u.say("%s++ Success (%.2f seconds) ++%s", green, time.Since(start).Seconds(), plain)
	return u.log(ctx, u.DB, "core", step.String(), "Upgrade savepoint reached")
}

// strike carries out the faults of a step.
func (u *Upgrader) strike(ctx context.Context, db *database.DB, step string) error {
	if delay := u.Faults.Delay(fault.MigrationSlow, step); delay > 0 {
		// Inside the server, so that the statement outlives a killed client.
		if _, err := db.Exec(ctx, "SELECT pg_sleep($1::float8)", delay.Seconds()); err != nil {
			return err
		}
	}
	if u.Faults.Is(fault.MigrationKill, step) {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	if u.Faults.Is(fault.MigrationFail, step) {
		return fmt.Errorf("division by zero in the middle of the rows (fault %s)", fault.MigrationFail)
	}
	return nil
}

// failed keeps the error where a reader of the log finds it.
func (u *Upgrader) failed(ctx context.Context, component, version string, cause error) error {
	_, err := u.DB.Exec(ctx, `INSERT INTO {upgrade_log} (type, component, version, target, info, details)
		VALUES (2, $1, $2, $3, 'Upgrade failed', $4)`, component, version, u.Code.Name, cause.Error())
	if err != nil {
		return fmt.Errorf("%s %s: %w (and the log: %w)", component, version, cause, err)
	}
	return fmt.Errorf("%s %s: %w", component, version, cause)
}

func (u *Upgrader) log(ctx context.Context, db *database.DB, component, version, info string) error {
	_, err := db.Exec(ctx, `INSERT INTO {upgrade_log} (type, component, version, target, info)
		VALUES (0, $1, $2, $3, $4)`, component, version, u.Code.Name, info)
	return err
}

// loseRows is the fault that only a count of rows finds.
func (u *Upgrader) loseRows(ctx context.Context) error {
	tables := map[string]string{
		"posts": "forum_posts", "grades": "grades", "attempts": "quiz_attempts", "enrolments": "enrolments",
	}
	for _, subject := range u.Faults.Subjects(fault.RowLoss) {
		table, found := tables[subject]
		if !found {
			return fmt.Errorf("fault %s: %q is not known", fault.RowLoss, subject)
		}
		_, err := u.DB.Exec(ctx, fmt.Sprintf("DELETE FROM {%[1]s} WHERE id = (SELECT max(id) FROM {%[1]s})", table))
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *Upgrader) say(format string, args ...any) {
	_, _ = fmt.Fprintf(u.Out, format+"\n", args...)
}
