// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/files"
	"github.com/gradus-lms/gradus/test/lms/release"
)

// ErrNotEmpty means that there are courses already: sample data would mix with
// somebody's real data.
var ErrNotEmpty = errors.New("the site is not empty")

// epoch is when everything in the sample data happened, about.
const epoch = 1_700_000_000

// rowsPerCopy bounds the memory of one bulk load.
const rowsPerCopy = 50_000

// Seeder fills one site.
type Seeder struct {
	DB      *database.DB
	Files   files.Store
	Release release.Release // of the database, as columns differ
	URL     string          // what links in posts point to
	Size    Size
	Seed    uint64

	random  *rand.Rand
	member  []membership
	quizzes []quiz
}

type membership struct{ course, user int }

type quiz struct{ course, maxPoints int }

// Fill writes everything.
func (s *Seeder) Fill(ctx context.Context) error {
	var courses int
	if err := s.DB.Row(ctx, "SELECT count(*) FROM {courses}", nil, &courses); err != nil {
		return err
	}
	if courses > 0 {
		return ErrNotEmpty
	}
	s.random = rand.New(rand.NewPCG(s.Seed, uint64(s.Size.Users)))
	return s.DB.InTransaction(ctx, func(tx *database.DB) error {
		for _, part := range []func(context.Context, *database.DB) error{
			s.users, s.courses, s.enrolments, s.posts, s.attempts, s.files, s.chat, s.badges, s.newer, s.sequences,
		} {
			if err := part(ctx, tx); err != nil {
				return fmt.Errorf("seed: %w", err)
			}
		}
		return nil
	})
}

// load copies the rows that make gives for 1 to count.
func load(ctx context.Context, tx *database.DB, table string, columns []string, count int, row func(int) []any) error {
	var rows [][]any
	for i := 1; i <= count; i++ {
		rows = append(rows, row(i))
		if len(rows) == rowsPerCopy || i == count {
			if err := tx.Copy(ctx, table, columns, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return nil
}

// sequences goes on counting after the rows that came with their numbers.
func (s *Seeder) sequences(ctx context.Context, tx *database.DB) error {
	for _, table := range []string{
		"users", "courses", "forum_posts", "quizzes", "quiz_attempts", "files",
	} {
		_, err := tx.Exec(ctx, fmt.Sprintf(
			"SELECT setval(pg_get_serial_sequence('{%[1]s}', 'id'), (SELECT max(id) FROM {%[1]s}))", table))
		if err != nil {
			return err
		}
	}
	return nil
}
