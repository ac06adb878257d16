// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package neutral

import (
	"context"
	"errors"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/setting"
)

// ErrNotNeutral means that this may be the live site: neutralise first.
var ErrNotNeutral = errors.New("the site is not neutral: it may be the live one")

// Anonymise rewrites what tells who somebody is, but for the accounts to keep.
// Lengths of posts stay, so that counts can still be compared.
func Anonymise(ctx context.Context, db *database.DB, settings *setting.Store, keep []string) error {
	found, err := Check(ctx, db, settings)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return fmt.Errorf("%w: %s", ErrNotNeutral, found[0])
	}
	return db.InTransaction(ctx, func(tx *database.DB) error {
		_, err := tx.Exec(ctx, `UPDATE {users} SET username = 'user' || id, email = 'user' || id || '@anonymous.example',
			firstname = 'User', lastname = id::text, password = 'nologin' WHERE username <> ALL($1)`, keep)
		if err != nil {
			return fmt.Errorf("anonymise users: %w", err)
		}
		_, err = tx.Exec(ctx, `UPDATE {forum_posts} SET body = regexp_replace(body, '\w', 'x', 'g'), subject = 'Post ' || id`)
		if err != nil {
			return fmt.Errorf("anonymise posts: %w", err)
		}
		if _, err = tx.Exec(ctx, `UPDATE {files} SET filename = 'file' || id`); err != nil {
			return fmt.Errorf("anonymise files: %w", err)
		}
		return anonymiseNewer(ctx, tx)
	})
}

// anonymiseNewer rewrites the copies of names that releases after 1.0 keep.
func anonymiseNewer(ctx context.Context, tx *database.DB) error {
	for table, statement := range map[string]string{
		"user_preferences":  `UPDATE {users} SET sortname = lower(lastname || ' ' || firstname)`,
		"forum_discussions": `UPDATE {forum_discussions} SET name = 'Discussion ' || id`,
		"notifications":     `UPDATE {notifications} SET text = 'Notification ' || id`,
		"posts_index":       `DELETE FROM {posts_index}`,
		"chat_messages":     `UPDATE {chat_messages} SET message = 'Message ' || id`,
	} {
		found, err := tx.HasTable(ctx, table)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("anonymise %s: %w", table, err)
		}
	}
	return nil
}
