// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/database"
)

// chat fills the tables of a plugin that release 2.0 takes away.
func (s *Seeder) chat(ctx context.Context, tx *database.DB) error {
	return fillIfThere(ctx, tx, "chat_rooms", []string{
		"INSERT INTO {chat_rooms} (courseid, name) SELECT id, 'Chat of ' || shortname FROM {courses} WHERE id % 5 = 1",
		`INSERT INTO {chat_messages} (roomid, userid, message, created_at)
			SELECT r.id, e.userid, 'Hello from ' || e.userid, 1700000000 + e.id
			FROM {chat_rooms} r JOIN {enrolments} e ON e.courseid = r.courseid`,
	})
}

// badges fills the table of an added plugin, if the image has it.
func (s *Seeder) badges(ctx context.Context, tx *database.DB) error {
	return fillIfThere(ctx, tx, "badge_issued", []string{
		`INSERT INTO {badge_issued} (badgeid, userid, courseid)
			SELECT 1 + id % 2, userid, courseid FROM {enrolments} WHERE id % 3 = 0`,
	})
}

// newer fills what later releases derive from the rows of the first, as their
// upgrade would.
func (s *Seeder) newer(ctx context.Context, tx *database.DB) error {
	for table, statements := range map[string][]string{
		"forum_discussions": {
			`INSERT INTO {forum_discussions} (courseid, firstpost, name)
				SELECT courseid, id, subject FROM {forum_posts} WHERE parentid = 0 ORDER BY id`,
			`UPDATE {forum_posts} p SET discussionid = d.id,
				wordcount = array_length(regexp_split_to_array(trim(body), '\s+'), 1)
				FROM {forum_discussions} d WHERE d.firstpost = CASE WHEN p.parentid = 0 THEN p.id ELSE p.parentid END`,
		},
		"file_blobs": {
			`INSERT INTO {file_blobs} (contenthash, filesize, refcount)
				SELECT contenthash, max(filesize), count(*) FROM {files} GROUP BY contenthash`,
			"UPDATE {quiz_attempts} SET seconds = finished_at - started_at",
		},
		"role_assignments": {
			"INSERT INTO {role_assignments} (userid, role) SELECT id, role FROM {users} ON CONFLICT DO NOTHING",
		},
	} {
		if err := fillIfThere(ctx, tx, table, statements); err != nil {
			return err
		}
	}
	return nil
}

func fillIfThere(ctx context.Context, tx *database.DB, table string, statements []string) error {
	found, err := tx.HasTable(ctx, table)
	if err != nil || !found {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}
