// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

var profiles15 = []string{
	`ALTER TABLE {users} ADD COLUMN timezone text NOT NULL DEFAULT 'UTC'`,
	`ALTER TABLE {users} ADD COLUMN sortname text`,
	`UPDATE {users} SET sortname = lower(lastname || ' ' || firstname)`,
	`CREATE TABLE {user_preferences} (
		id bigserial PRIMARY KEY,
		userid bigint NOT NULL,
		name text NOT NULL,
		value text NOT NULL,
		UNIQUE (userid, name))`,
	`INSERT INTO {user_preferences} (userid, name, value)
		SELECT id, 'maildigest', '1' FROM {users} WHERE NOT deleted`,
}

var discussions15 = []string{
	`CREATE TABLE {forum_discussions} (
		id bigserial PRIMARY KEY,
		courseid bigint NOT NULL,
		firstpost bigint NOT NULL UNIQUE,
		name text NOT NULL)`,
	`INSERT INTO {forum_discussions} (courseid, firstpost, name)
		SELECT courseid, id, subject FROM {forum_posts} WHERE parentid = 0 ORDER BY id`,
	`ALTER TABLE {forum_posts} ADD COLUMN discussionid bigint`,
	`UPDATE {forum_posts} p SET discussionid = d.id FROM {forum_discussions} d
		WHERE d.firstpost = CASE WHEN p.parentid = 0 THEN p.id ELSE p.parentid END`,
	`ALTER TABLE {forum_posts} ADD COLUMN wordcount int NOT NULL DEFAULT 0`,
	`UPDATE {forum_posts} SET wordcount = array_length(regexp_split_to_array(trim(body), '\s+'), 1)`,
}

var notifications15 = []string{
	`CREATE TABLE {notifications} (
		id bigserial PRIMARY KEY,
		userid bigint NOT NULL,
		text text NOT NULL,
		created_at bigint NOT NULL)`,
	`CREATE INDEX ON {notifications} (userid)`,
	`INSERT INTO {config} (name, value) VALUES ('notifications_enabled', '1') ON CONFLICT DO NOTHING`,
}
