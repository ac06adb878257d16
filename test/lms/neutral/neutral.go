// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package neutral makes a copy of the site harmless, and says whether it is.
package neutral

import (
	"context"
	"fmt"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/setting"
)

// switches must be 0 in a copy; keys must be empty.
var (
	switches = []string{"mail_enabled", "cron_enabled", "webhook_enabled", "payment_enabled", "push_enabled"}
	keys     = []string{"smtp_password", "payment_key", "push_key"}
)

// Apply switches everything off that leaves the site. A mail sink, if given,
// gets the mail instead.
func Apply(ctx context.Context, db *database.DB, settings *setting.Store, mailSink string) error {
	wanted := map[string]string{
		"mail_sink": mailSink, "neutralised_at": fmt.Sprint(time.Now().Unix()),
	}
	for _, name := range switches {
		wanted[name] = "0"
	}
	for _, name := range keys {
		wanted[name] = ""
	}
	for name, value := range wanted {
		if hard, found := settings.Hard(name); found && hard != value {
			return fmt.Errorf("neutralise %s: it is %q: %w", name, hard, setting.ErrHard)
		}
	}
	err := db.InTransaction(ctx, func(tx *database.DB) error {
		if err := settings.On(tx).SetAll(ctx, wanted); err != nil {
			return err
		}
		for _, statement := range []string{
			"DELETE FROM {tasks} WHERE class IN ('send_mail', 'call_webhook')",
			"DELETE FROM {sessions}",
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("neutralise: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return settings.Purge()
}

// Check lists what is not neutral.
func Check(ctx context.Context, db *database.DB, settings *setting.Store) ([]string, error) {
	found := []string{}
	for _, name := range switches {
		value, _, err := settings.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		if value != "0" {
			found = append(found, fmt.Sprintf("%s is %q", name, value))
		}
	}
	for _, name := range keys {
		value, _, err := settings.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		if value != "" {
			found = append(found, name+" is set")
		}
	}
	var queued int
	err := db.Row(ctx, "SELECT count(*) FROM {tasks} WHERE class IN ('send_mail', 'call_webhook')", nil, &queued)
	if err != nil {
		return nil, err
	}
	if queued > 0 {
		found = append(found, fmt.Sprintf("%d mails and webhook calls are queued", queued))
	}
	return found, nil
}
