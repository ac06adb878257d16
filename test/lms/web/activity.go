// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/queue"
)

// subscribersPerPost bounds the mail of one post.
const subscribersPerPost = 5

// post writes a forum post and queues what the world outside hears of it.
func (s *Server) post(w http.ResponseWriter, r *http.Request, u user) error {
	course, err := number(r)
	if err != nil {
		return err
	}
	subject, body := r.PostFormValue("subject"), r.PostFormValue("body")
	ctx := r.Context()
	err = s.DB.InTransaction(ctx, func(tx *database.DB) error {
		var id int64
		err := tx.Row(ctx, `INSERT INTO {forum_posts} (courseid, userid, subject, body, created_at)
			SELECT id, $2, $3, $4, $5 FROM {courses} WHERE id = $1 RETURNING id`,
			[]any{course, u.id, subject, body, time.Now().Unix()}, &id)
		if database.IsMissing(err) {
			return errNotFound
		}
		if err != nil {
			return err
		}
		if s.Code.AtLeast("1.5") {
			_, err := tx.Exec(ctx, `WITH d AS (
					INSERT INTO {forum_discussions} (courseid, firstpost, name) VALUES ($1, $2, $3) RETURNING id)
				UPDATE {forum_posts} SET wordcount = $4, discussionid = (SELECT id FROM d) WHERE id = $2`,
				course, id, subject, len(strings.Fields(body)))
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO {tasks} (class, payload)
			SELECT 'send_mail', json_build_object('to', u.email, 'subject', $3::text)::text
			FROM {enrolments} e JOIN {users} u ON u.id = e.userid
			WHERE e.courseid = $1 AND u.id <> $2 ORDER BY u.id LIMIT $4`, course, u.id, subject, subscribersPerPost)
		if err != nil {
			return err
		}
		return queue.Enqueue(ctx, tx, "call_webhook", queue.Normal, queue.Hook{Event: "post", ID: id})
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, fmt.Sprintf("/course/%d", course), http.StatusSeeOther)
	return nil
}

func (s *Server) quiz(w http.ResponseWriter, r *http.Request, u user) error {
	s.heat("quiz")
	id, err := number(r)
	if err != nil {
		return err
	}
	var name string
	var attempts int
	err = s.DB.Row(r.Context(), `SELECT name,
			(SELECT count(*) FROM {quiz_attempts} a WHERE a.quizid = q.id AND a.userid = $2)
		FROM {quizzes} q WHERE id = $1`, []any{id, u.id}, &name, &attempts)
	if database.IsMissing(err) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	return show(w, content{Title: "Quiz: " + name, UserID: u.id, Notice: fmt.Sprintf("%d attempts so far", attempts)})
}

// attempt writes one attempt and keeps the best grade. Where that goes depends
// on the release, as the columns do.
func (s *Server) attempt(w http.ResponseWriter, r *http.Request, u user) error {
	quiz, err := number(r)
	if err != nil {
		return err
	}
	// The percentage comes from the clock: what counts is that a row is written.
	percent := time.Now().Unix() % 101
	ctx := r.Context()
	err = s.DB.InTransaction(ctx, func(tx *database.DB) error {
		now := time.Now().Unix()
		found, err := tx.Exec(ctx, `INSERT INTO {quiz_attempts} (quizid, userid, sumgrades, started_at, finished_at)
			SELECT id, $2, maxpoints * $3::numeric / 100, $4, $4 FROM {quizzes} WHERE id = $1`, quiz, u.id, percent, now)
		if err != nil {
			return err
		}
		if found == 0 {
			return errNotFound
		}
		if s.Code.AtLeast("2.0") {
			_, err = tx.Exec(ctx, `INSERT INTO {grades} AS g (quizid, userid, scaleid, points)
				SELECT quizid, $2, id, maxpoints * $3::numeric / 100 FROM {grade_scales} WHERE quizid = $1
				ON CONFLICT (quizid, userid) DO UPDATE SET points = greatest(g.points, excluded.points)`, quiz, u.id, percent)
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO {grades} AS g (quizid, userid, percent) VALUES ($1, $2, $3::numeric)
			ON CONFLICT (quizid, userid) DO UPDATE SET percent = greatest(g.percent, excluded.percent)`, quiz, u.id, percent)
		return err
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, fmt.Sprintf("/quiz/%d", quiz), http.StatusSeeOther)
	return nil
}
