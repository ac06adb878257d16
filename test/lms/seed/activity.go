// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"

	"github.com/gradus-lms/gradus/test/lms/database"
)

var words = strings.Fields(`answer around because before between chapter class could different enough example
	exercise forum grade group handout homework idea important later lecture lesson maybe never number other
	page please point question read really same seminar should slide something still table task thanks
	that there think today together topic understand week where which without wonder write`)

func (s *Seeder) text(count int) string {
	chosen := make([]string, count)
	for i := range chosen {
		chosen[i] = words[s.random.IntN(len(words))]
	}
	return strings.Join(chosen, " ")
}

// posts makes threads: every tenth post opens one, the others answer it.
func (s *Seeder) posts(ctx context.Context, tx *database.DB) error {
	const perThread = 10
	columns := []string{"id", "courseid", "parentid", "userid", "subject", "body", "created_at"}
	var course, root int
	return load(ctx, tx, "forum_posts", columns, s.Size.Posts, func(i int) []any {
		author := s.member[s.random.IntN(len(s.member))]
		parent := root
		if i%perThread == 1 {
			course, root, parent = author.course, i, 0
		}
		body := s.text(10 + s.random.IntN(60))
		if i%7 == 0 {
			body += fmt.Sprintf(" See %s/course/%d.", s.URL, course)
		}
		return []any{int64(i), int64(course), int64(parent), int64(author.user), s.text(3), body, int64(epoch + 60*i)}
	})
}

// questions is how many each quiz has: sevenths make percentages with a long tail.
const questions = 7

type result struct{ quiz, user int }

func (s *Seeder) attempts(ctx context.Context, tx *database.DB) error {
	best := map[result]int{}
	columns := []string{"id", "quizid", "userid", "sumgrades", "started_at", "finished_at"}
	err := load(ctx, tx, "quiz_attempts", columns, s.Size.Attempts, func(i int) []any {
		who := s.member[s.random.IntN(len(s.member))]
		number := (who.course-1)*QuizzesPerCourse + s.random.IntN(QuizzesPerCourse) + 1
		right := s.random.IntN(questions + 1)
		key := result{number, who.user}
		best[key] = max(best[key], right)
		start := epoch + 30*i
		points := float64(s.quizzes[number-1].maxPoints*right) / questions
		return []any{
			int64(i), int64(number), int64(who.user), fmt.Sprintf("%.5f", points),
			int64(start), int64(start + 60 + s.random.IntN(1800)),
		}
	})
	if err != nil {
		return err
	}
	return s.grades(ctx, tx, best)
}

// grades are percentages in the schema up to 1.5; newer ones are rewritten by
// the same statements as an upgrade does it.
func (s *Seeder) grades(ctx context.Context, tx *database.DB, best map[result]int) error {
	keys := make([]result, 0, len(best))
	for key := range best {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i].quiz < keys[j].quiz || keys[i].quiz == keys[j].quiz && keys[i].user < keys[j].user
	})
	if !s.Release.AtLeast("2.0") {
		return load(ctx, tx, "grades", []string{"quizid", "userid", "percent"}, len(keys), func(i int) []any {
			return []any{int64(keys[i-1].quiz), int64(keys[i-1].user), percent(best[keys[i-1]])}
		})
	}
	for _, statement := range []string{
		"INSERT INTO {grade_scales} (id, quizid, maxpoints) SELECT id, id, maxpoints FROM {quizzes} ORDER BY id",
		"ALTER TABLE {grades} ADD COLUMN seeded numeric(10,5), ALTER COLUMN points DROP NOT NULL",
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	columns := []string{"quizid", "userid", "scaleid", "seeded"}
	err := load(ctx, tx, "grades", columns, len(keys), func(i int) []any {
		quiz := int64(keys[i-1].quiz)
		return []any{quiz, int64(keys[i-1].user), quiz, percent(best[keys[i-1]])}
	})
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"UPDATE {grades} g SET points = seeded * s.maxpoints / 100 FROM {grade_scales} s WHERE s.id = g.scaleid",
		"ALTER TABLE {grades} DROP COLUMN seeded, ALTER COLUMN points SET NOT NULL",
		"SELECT setval(pg_get_serial_sequence('{grade_scales}', 'id'), (SELECT max(id) FROM {grade_scales}))",
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func percent(right int) string { return fmt.Sprintf("%.5f", float64(right)*100/questions) }

// files writes blobs of noise; every tenth row is a file that exists already
// under another name.
func (s *Seeder) files(ctx context.Context, tx *database.DB) error {
	type blob struct {
		hash string
		size int64
	}
	var blobs []blob
	var failure error
	columns := []string{"id", "courseid", "contenthash", "filename", "filesize", "created_at"}
	err := load(ctx, tx, "files", columns, s.Size.Files, func(i int) []any {
		var b blob
		if i%10 == 0 {
			b = blobs[s.random.IntN(len(blobs))]
		} else if failure == nil {
			b.hash, b.size, failure = s.Files.Put(bytes.NewReader(s.noise()))
			blobs = append(blobs, b)
		}
		course := (i-1)%s.Size.Courses + 1
		return []any{int64(i), int64(course), b.hash, fmt.Sprintf("handout-%d.bin", i), b.size, int64(epoch + i)}
	})
	if failure != nil {
		return failure
	}
	return err
}

func (s *Seeder) noise() []byte {
	var key [32]byte
	for i := range key {
		key[i] = byte(s.random.Uint32())
	}
	content := make([]byte, s.Size.FileBytes/2+s.random.IntN(s.Size.FileBytes))
	_, _ = rand.NewChaCha8(key).Read(content)
	return content
}
