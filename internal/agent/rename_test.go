// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"testing"

	"github.com/gradus-lms/gradus/internal/task"
)

// renames puts the restored database in the place of the live one.
func renames(t *testing.T, w *world) {
	t.Helper()
	guest := w.conn("campus") // a session that lingers
	rename := task.Action{Name: "rename", Rename: &task.Rename{Database: w.database("postgres", "admin"),
		Live: "campus", Replacement: "campus_r1", Replaced: "campus_replaced_1"}}
	r, _ := w.do(stranger, rename)
	succeeds(t, r)
	if err := guest.Ping(context.Background()); err == nil {
		t.Error("the lingering session lived on")
	}
	if n := w.one("campus", "SELECT count(*)::text FROM cmp_posts"); n != "60000" {
		t.Errorf("the live database has %s posts", n)
	}
	r, _ = w.do(stranger, rename) // again: renamed already
	succeeds(t, r)
	rename.Rename.Replacement = "nothing"
	rename.Rename.Replaced = "campus_replaced_2"
	r, _ = w.do(stranger, rename)
	fails(t, r, task.NameConflict)
	r, _ = w.do(
		stranger,
		task.Action{Name: "count", Count: &task.Count{Database: w.database("campus", "reader"), Queries: counts,
			Expect: map[string]string{"users": "500"}}},
	)
	succeeds(t, r)
}
