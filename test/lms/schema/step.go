// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package schema holds the migrations of every release and the upgrade that
// runs them.
package schema

import (
	"context"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/release"
)

// Step is one migration. Its number is the savepoint: steps run in order and a
// resumed upgrade goes on after the last one that the database remembers.
type Step struct {
	Number  int
	Release string
	Name    string

	run func(ctx context.Context, db *database.DB, at hooks) error
}

// hooks are what a step calls while it works.
type hooks struct {
	half func(*database.DB) error // in the middle, where faults strike
	done func(*database.DB) error // writes the savepoint, with the last of the work
}

func (s Step) String() string { return s.Release + ":" + s.Name }

// steps lists every migration there is, oldest first.
var steps = []Step{
	{1001, "1.0", "core", inTransaction(core10...)},
	{1002, "1.0", "activities", inTransaction(activities10...)},
	{1003, "1.0", "chat", inTransaction(chat10...)},

	{1501, "1.5", "profiles", inTransaction(profiles15...)},
	{1502, "1.5", "discussions", inTransaction(discussions15...)},
	{1503, "1.5", "notifications", inTransaction(notifications15...)},

	{2001, "2.0", "scales", inTransaction(scales20...)},
	{2002, "2.0", "grades", grades20},
	{2003, "2.0", "blobs", inTransaction(blobs20...)},
	{2004, "2.0", "attempts", inTransaction(attempts20...)},
	{2005, "2.0", "tasks", inTransaction(tasks20...)},

	{3001, "3.0", "roles", inTransaction(roles30...)},
	{3002, "3.0", "search", inTransaction(search30...)},
	{3003, "3.0", "tasks", inTransaction(tasks30...)},
}

// due lists the steps of the code's release and older that come after a savepoint.
func due(code release.Release, savepoint int) []Step {
	var found []Step
	for _, step := range steps {
		if step.Number > savepoint && code.AtLeast(step.Release) {
			found = append(found, step)
		}
	}
	return found
}

// LastSavepoint is the number of the last step of a release.
func LastSavepoint(code release.Release) int {
	last := 0
	for _, step := range due(code, 0) {
		last = step.Number
	}
	return last
}

// inTransaction makes a step of statements that all happen or none.
func inTransaction(statements ...string) func(context.Context, *database.DB, hooks) error {
	return func(ctx context.Context, db *database.DB, at hooks) error {
		return db.InTransaction(ctx, func(tx *database.DB) error {
			for i, statement := range statements {
				if i == len(statements)/2 {
					if err := at.half(tx); err != nil {
						return err
					}
				}
				if _, err := tx.Exec(ctx, statement); err != nil {
					return fmt.Errorf("statement %d: %w", i+1, err)
				}
			}
			return at.done(tx)
		})
	}
}
