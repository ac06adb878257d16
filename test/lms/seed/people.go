// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package seed

import (
	"context"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/account"
	"github.com/gradus-lms/gradus/test/lms/database"
)

var (
	firstNames = []string{"Ana", "Ben", "Chika", "Dora", "Emre", "Fatou", "Goran", "Hana", "Ines", "Jun", "Kofi", "Lena"}
	lastNames  = []string{"Abel", "Brandt", "Costa", "Diallo", "Eriksen", "Fuchs", "Garcia", "Haddad", "Ito", "Jansen"}
	subjects   = []string{"Algebra", "Botany", "Chemistry", "Drawing", "Ethics", "French", "Geology", "History"}
)

// firstUser is the number of the first seeded account; the administrator has 1.
const firstUser = 2

func (s *Seeder) teachers() int { return s.Size.Courses/2 + 1 }

// username gives the account a name: the smoke user, teachers, then students.
func (s *Seeder) username(i int) (name, role string) {
	switch {
	case i == 1:
		return "smoke", "student"
	case i <= 1+s.teachers():
		return fmt.Sprintf("teacher%03d", i-1), "teacher"
	default:
		return fmt.Sprintf("student%04d", i-1-s.teachers()), "student"
	}
}

func (s *Seeder) users(ctx context.Context, tx *database.DB) error {
	columns := []string{"id", "username", "password", "email", "firstname", "lastname", "role", "created_at"}
	var failure error
	err := load(ctx, tx, "users", columns, s.Size.Users, func(i int) []any {
		name, role := s.username(i)
		// The salt is the name: the same seed gives the same rows.
		hash, err := account.HashPassword("pw-"+name, name)
		if err != nil {
			failure = err
		}
		return []any{
			int64(i + firstUser - 1), name, hash, name + "@" + role + "s.example",
			firstNames[s.random.IntN(len(firstNames))], lastNames[s.random.IntN(len(lastNames))],
			role, int64(epoch + i),
		}
	})
	if failure != nil {
		return failure
	}
	return err
}

func (s *Seeder) courses(ctx context.Context, tx *database.DB) error {
	err := load(ctx, tx, "courses", []string{"id", "shortname", "fullname", "summary"}, s.Size.Courses, func(i int) []any {
		subject := subjects[s.random.IntN(len(subjects))]
		return []any{
			int64(i), fmt.Sprintf("C%04d", i), fmt.Sprintf("%s %d", subject, i),
			fmt.Sprintf("All about %s. Start at %s/course/%d.", subject, s.URL, i),
		}
	})
	if err != nil {
		return err
	}
	scale := []int{10, 20, 25, 50, 100}
	columns := []string{"id", "courseid", "name", "maxpoints"}
	return load(ctx, tx, "quizzes", columns, s.Size.Courses*QuizzesPerCourse, func(i int) []any {
		q := quiz{course: (i-1)/QuizzesPerCourse + 1, maxPoints: scale[s.random.IntN(len(scale))]}
		s.quizzes = append(s.quizzes, q)
		return []any{int64(i), int64(q.course), fmt.Sprintf("Test %d", i), int32(q.maxPoints)}
	})
}

// enrolments puts everybody into four courses, and the smoke user into the first.
func (s *Seeder) enrolments(ctx context.Context, tx *database.DB) error {
	const coursesPerUser = 4
	s.member = append(s.member, membership{1, firstUser})
	for user := firstUser + 1; user < firstUser+s.Size.Users; user++ {
		for _, course := range s.random.Perm(s.Size.Courses)[:coursesPerUser] {
			s.member = append(s.member, membership{course + 1, user})
		}
	}
	return load(ctx, tx, "enrolments", []string{"courseid", "userid"}, len(s.member), func(i int) []any {
		return []any{int64(s.member[i-1].course), int64(s.member[i-1].user)}
	})
}
