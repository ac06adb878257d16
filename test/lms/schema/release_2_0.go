// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/database"
)

var scales20 = []string{
	`CREATE TABLE {grade_scales} (
		id bigserial PRIMARY KEY,
		quizid bigint NOT NULL UNIQUE,
		maxpoints int NOT NULL,
		checked boolean NOT NULL DEFAULT false)`,
	`INSERT INTO {grade_scales} (quizid, maxpoints) SELECT id, maxpoints FROM {quizzes} ORDER BY id`,
}

// gradesPerBatch keeps the statements of the rewrite short on a big site.
const gradesPerBatch = 2000

// grades20 rewrites percent to points. It is not one transaction: on a big site
// that would hold its locks for hours. Killed half-way it leaves rows of both
// kinds, and goes on with those that have no points yet.
func grades20(ctx context.Context, db *database.DB, at hooks) error {
	for _, statement := range []string{
		`ALTER TABLE {grades} ADD COLUMN IF NOT EXISTS scaleid bigint`,
		`ALTER TABLE {grades} ADD COLUMN IF NOT EXISTS points numeric(14,7)`,
	} {
		if _, err := db.Exec(ctx, statement); err != nil {
			return err
		}
	}
	var last int64
	if err := db.Row(ctx, "SELECT coalesce(max(id), 0) FROM {grades}", nil, &last); err != nil {
		return err
	}
	for _, part := range [][2]int64{{0, last / 2}, {last / 2, last}} {
		if part[0] == last/2 {
			if err := at.half(db); err != nil {
				return err
			}
		}
		if err := rewriteGrades(ctx, db, part[0], part[1]); err != nil {
			return err
		}
	}
	return inTransaction(
		`DROP VIEW {gradebook}`,
		`ALTER TABLE {grades} ALTER COLUMN points SET NOT NULL`,
		`ALTER TABLE {grades} ALTER COLUMN scaleid SET NOT NULL`,
		`ALTER TABLE {grades} DROP COLUMN percent`,
		`CREATE VIEW {gradebook} AS
			SELECT g.id, g.quizid, g.userid, g.points * 100 / s.maxpoints AS percent
			FROM {grades} g JOIN {grade_scales} s ON s.id = g.scaleid`,
	)(ctx, db, hooks{half: func(*database.DB) error { return nil }, done: at.done})
}

func rewriteGrades(ctx context.Context, db *database.DB, after, until int64) error {
	for ; after < until; after += gradesPerBatch {
		_, err := db.Exec(ctx, `UPDATE {grades} g
			SET scaleid = s.id, points = g.percent * s.maxpoints / 100
			FROM {grade_scales} s
			WHERE s.quizid = g.quizid AND g.points IS NULL AND g.id > $1 AND g.id <= $2`,
			after, min(after+gradesPerBatch, until))
		if err != nil {
			return fmt.Errorf("grades after %d: %w", after, err)
		}
	}
	return nil
}

var blobs20 = []string{
	`CREATE TABLE {file_blobs} (
		contenthash char(40) PRIMARY KEY,
		filesize bigint NOT NULL,
		refcount bigint NOT NULL)`,
	`ALTER TABLE {files} ADD COLUMN component text NOT NULL DEFAULT 'course'`,
	`ALTER TABLE {files} ADD COLUMN deleted_at bigint NOT NULL DEFAULT 0`,
}

var attempts20 = []string{
	`ALTER TABLE {quiz_attempts} ADD COLUMN seconds bigint`,
	`UPDATE {quiz_attempts} SET seconds = finished_at - started_at`,
	`CREATE INDEX ON {quiz_attempts} (userid)`,
}

var tasks20 = []string{
	`CREATE TABLE {course_overview} (
		courseid bigint PRIMARY KEY,
		posts bigint NOT NULL,
		attempts bigint NOT NULL)`,
	`INSERT INTO {tasks} (class, kind) VALUES
		('index_blobs', 'required'), ('regrade_scales', 'required'), ('rebuild_overview', 'afterwards')`,
}
