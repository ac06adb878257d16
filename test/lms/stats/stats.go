// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package stats counts what must be the same before and after an upgrade.
package stats

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/files"
	"github.com/gradus-lms/gradus/test/lms/schema"
)

// Table is one table's rows and a digest that does not depend on their order.
type Table struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// Files compares the rows of files with the blobs on the volume.
type Files struct {
	Rows    int64 `json:"rows"`
	Blobs   int64 `json:"blobs"`
	Bytes   int64 `json:"bytes"`
	Missing int64 `json:"missing"`
	Corrupt int64 `json:"corrupt"`
}

// Report is the answer.
type Report struct {
	Release string           `json:"release"`
	Tables  map[string]Table `json:"tables"`
	Files   Files            `json:"files"`
}

// contents names, per table, columns that every release has and that no
// upgrade changes.
var contents = map[string]struct{ from, columns string }{
	"users":      {"{users}", "id, username, email, firstname, lastname, role, deleted"},
	"courses":    {"{courses}", "id, shortname, fullname, summary"},
	"enrolments": {"{enrolments}", "courseid, userid"},
	"posts":      {"{forum_posts}", "id, courseid, parentid, userid, subject, body, created_at"},
	"quizzes":    {"{quizzes}", "id, courseid, name, maxpoints"},
	"attempts":   {"{quiz_attempts}", "id, quizid, userid, sumgrades, started_at, finished_at"},
	"grades":     {"{gradebook}", "quizid, userid, percent::numeric(20,5)"},
	"files":      {"{files}", "id, courseid, contenthash, filename, filesize"},
}

// Collect counts everything; with rehash it reads every blob.
func Collect(ctx context.Context, db *database.DB, store files.Store, rehash bool) (Report, error) {
	state, err := schema.Read(ctx, db)
	if err != nil {
		return Report{}, err
	}
	if !state.Installed {
		return Report{}, schema.ErrNotInstalled
	}
	report := Report{Release: state.Release, Tables: map[string]Table{}}
	for name, content := range contents {
		var table Table
		err := db.Row(ctx, fmt.Sprintf(`SELECT count(*), md5(coalesce(sum(
			('x' || substr(md5(concat_ws('|', %s)), 1, 15))::bit(60)::bigint), 0)::text) FROM %s`,
			content.columns, content.from), nil, &table.Rows, &table.Digest)
		if err != nil {
			return Report{}, fmt.Errorf("count %s: %w", name, err)
		}
		report.Tables[name] = table
	}
	report.Files, err = compareFiles(ctx, db, store, rehash)
	return report, err
}

func compareFiles(ctx context.Context, db *database.DB, store files.Store, rehash bool) (Files, error) {
	var found Files
	err := store.Blobs(func(_ string, size int64) error {
		found.Blobs++
		found.Bytes += size
		return ctx.Err()
	})
	if err != nil {
		return found, fmt.Errorf("count blobs: %w", err)
	}
	if err := db.Row(ctx, "SELECT count(*) FROM {files}", nil, &found.Rows); err != nil {
		return found, err
	}
	rows, err := db.Query(ctx, "SELECT contenthash, max(filesize) FROM {files} GROUP BY contenthash")
	if err != nil {
		return found, err
	}
	defer rows.Close()
	for rows.Next() {
		var hash string
		var size int64
		if err := rows.Scan(&hash, &size); err != nil {
			return found, err
		}
		if err := found.compare(store, hash, size, rehash); err != nil {
			return found, err
		}
	}
	return found, rows.Err()
}

func (f *Files) compare(store files.Store, hash string, size int64, rehash bool) error {
	info, err := os.Stat(store.Path(hash))
	if errors.Is(err, fs.ErrNotExist) {
		f.Missing++
		return nil
	}
	if err != nil {
		return err
	}
	intact := info.Size() == size
	if intact && rehash {
		if intact, err = store.Intact(hash); err != nil {
			return err
		}
	}
	if !intact {
		f.Corrupt++
	}
	return nil
}
