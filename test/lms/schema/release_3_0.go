// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

var roles30 = []string{
	`CREATE TABLE {role_assignments} (
		id bigserial PRIMARY KEY,
		userid bigint NOT NULL,
		role text NOT NULL,
		UNIQUE (userid, role))`,
	`ALTER TABLE {users} ADD COLUMN theme text NOT NULL DEFAULT ''`,
}

var search30 = []string{
	`CREATE TABLE {posts_index} (
		postid bigint PRIMARY KEY,
		words tsvector NOT NULL)`,
	`CREATE INDEX ON {posts_index} USING gin (words)`,
}

var tasks30 = []string{
	`INSERT INTO {tasks} (class, kind) VALUES ('assign_roles', 'required'), ('index_posts', 'afterwards')`,
}
