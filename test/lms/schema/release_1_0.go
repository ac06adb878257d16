// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

var core10 = []string{
	`CREATE TABLE {users} (
		id bigserial PRIMARY KEY,
		username text NOT NULL UNIQUE,
		password text NOT NULL,
		email text NOT NULL,
		firstname text NOT NULL,
		lastname text NOT NULL,
		role text NOT NULL DEFAULT 'student',
		deleted boolean NOT NULL DEFAULT false,
		created_at bigint NOT NULL)`,
	`CREATE TABLE {sessions} (
		sid text PRIMARY KEY,
		userid bigint NOT NULL,
		expires_at bigint NOT NULL)`,
	`CREATE TABLE {courses} (
		id bigserial PRIMARY KEY,
		shortname text NOT NULL UNIQUE,
		fullname text NOT NULL,
		summary text NOT NULL DEFAULT '')`,
	`CREATE TABLE {enrolments} (
		id bigserial PRIMARY KEY,
		courseid bigint NOT NULL,
		userid bigint NOT NULL,
		UNIQUE (courseid, userid))`,
	`CREATE TABLE {tasks} (
		id bigserial PRIMARY KEY,
		class text NOT NULL,
		kind text NOT NULL DEFAULT 'normal',
		payload text NOT NULL DEFAULT '{}',
		attempts int NOT NULL DEFAULT 0,
		faildelay int NOT NULL DEFAULT 0,
		nextrun bigint NOT NULL DEFAULT 0)`,
	`CREATE TABLE {scheduled_tasks} (
		name text PRIMARY KEY,
		every int NOT NULL,
		lastrun bigint NOT NULL DEFAULT 0,
		disabled boolean NOT NULL DEFAULT false)`,
	`INSERT INTO {scheduled_tasks} (name, every) VALUES
		('cleanup_files', 600), ('send_digests', 3600), ('prune_sessions', 300), ('ping_webhook', 3600)`,
}

var activities10 = []string{
	`CREATE TABLE {forum_posts} (
		id bigserial PRIMARY KEY,
		courseid bigint NOT NULL,
		parentid bigint NOT NULL DEFAULT 0,
		userid bigint NOT NULL,
		subject text NOT NULL,
		body text NOT NULL,
		created_at bigint NOT NULL)`,
	`CREATE INDEX ON {forum_posts} (courseid)`,
	`CREATE TABLE {quizzes} (
		id bigserial PRIMARY KEY,
		courseid bigint NOT NULL,
		name text NOT NULL,
		maxpoints int NOT NULL)`,
	`CREATE TABLE {quiz_attempts} (
		id bigserial PRIMARY KEY,
		quizid bigint NOT NULL,
		userid bigint NOT NULL,
		sumgrades numeric(12,5) NOT NULL,
		started_at bigint NOT NULL,
		finished_at bigint NOT NULL)`,
	`CREATE INDEX ON {quiz_attempts} (quizid, userid)`,
	`CREATE TABLE {grades} (
		id bigserial PRIMARY KEY,
		quizid bigint NOT NULL,
		userid bigint NOT NULL,
		percent numeric(10,5) NOT NULL,
		UNIQUE (quizid, userid))`,
	`CREATE VIEW {gradebook} AS SELECT id, quizid, userid, percent::numeric AS percent FROM {grades}`,
	`CREATE TABLE {files} (
		id bigserial PRIMARY KEY,
		courseid bigint NOT NULL,
		contenthash char(40) NOT NULL,
		filename text NOT NULL,
		filesize bigint NOT NULL,
		created_at bigint NOT NULL)`,
	`CREATE INDEX ON {files} (contenthash)`,
}

var chat10 = []string{
	`CREATE TABLE {chat_rooms} (
		id bigserial PRIMARY KEY,
		courseid bigint NOT NULL,
		name text NOT NULL)`,
	`CREATE TABLE {chat_messages} (
		id bigserial PRIMARY KEY,
		roomid bigint NOT NULL,
		userid bigint NOT NULL,
		message text NOT NULL,
		created_at bigint NOT NULL)`,
}
