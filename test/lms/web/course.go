// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
)

func number(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return 0, errNotFound
	}
	return id, nil
}

func (s *Server) dashboard(w http.ResponseWriter, r *http.Request, u user) error {
	s.heat("my")
	links, err := s.links(r.Context(), `SELECT '/course/' || c.id, c.fullname FROM {courses} c
		JOIN {enrolments} e ON e.courseid = c.id WHERE e.userid = $1 ORDER BY c.id LIMIT 100`, u.id)
	if err != nil {
		return err
	}
	return show(w, content{Title: "Dashboard", UserID: u.id, Notice: "Welcome, " + u.firstname, Links: links})
}

func (s *Server) grades(w http.ResponseWriter, r *http.Request, u user) error {
	s.heat("grades")
	links, err := s.links(r.Context(), `SELECT '/quiz/' || q.id, q.name || ': ' || round(g.percent, 2) || ' %'
		FROM {gradebook} g JOIN {quizzes} q ON q.id = g.quizid WHERE g.userid = $1 ORDER BY q.id`, u.id)
	if err != nil {
		return err
	}
	return show(w, content{Title: "Grades", UserID: u.id, Links: links})
}

func (s *Server) course(w http.ResponseWriter, r *http.Request, u user) error {
	s.heat("course")
	id, err := number(r)
	if err != nil {
		return err
	}
	var name, summary string
	err = s.DB.Row(r.Context(), "SELECT fullname, summary FROM {courses} WHERE id = $1", []any{id}, &name, &summary)
	if database.IsMissing(err) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	c := content{Title: "Course: " + name, UserID: u.id, Notice: summary}
	for _, query := range []string{
		"SELECT '/file/' || contenthash, filename FROM {files} WHERE courseid = $1 ORDER BY id",
		"SELECT '/quiz/' || id, name FROM {quizzes} WHERE courseid = $1 ORDER BY id",
	} {
		links, err := s.links(r.Context(), query, id)
		if err != nil {
			return err
		}
		c.Links = append(c.Links, links...)
	}
	if c.Articles, err = s.posts(r.Context(), id); err != nil {
		return err
	}
	added, err := s.pluginBlocks(r.Context(), id)
	if err != nil {
		return err
	}
	c.Articles = append(c.Articles, added...)
	return show(w, c)
}

func (s *Server) links(ctx context.Context, query string, id int64) ([]link, error) {
	rows, err := s.DB.Query(ctx, query, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var links []link
	for rows.Next() {
		var l link
		if err := rows.Scan(&l.URL, &l.Text); err != nil {
			return nil, err
		}
		links = append(links, l)
	}
	return links, rows.Err()
}

func (s *Server) posts(ctx context.Context, course int64) ([]article, error) {
	rows, err := s.DB.Query(ctx, `SELECT subject, body FROM {forum_posts} WHERE courseid = $1
		ORDER BY id DESC LIMIT 50`, course)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var posts []article
	for rows.Next() {
		var post article
		if err := rows.Scan(&post.Heading, &post.Text); err != nil {
			return nil, err
		}
		posts = append(posts, post)
	}
	return posts, rows.Err()
}

// pluginBlocks shows what added plugins have to say about a course. A plugin
// that fails takes the whole page with it.
func (s *Server) pluginBlocks(ctx context.Context, course int64) ([]article, error) {
	var names []string
	for name, manifest := range s.Disk {
		if manifest.CourseQuery != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var blocks []article
	for _, name := range names {
		if s.Faults.Is(fault.PluginBreak, name+":page") {
			return nil, fmt.Errorf("plugin %s: call to undefined function", name)
		}
		manifest := s.Disk[name]
		var count int64
		if err := s.DB.Row(ctx, manifest.CourseQuery, []any{course}, &count); err != nil {
			return nil, fmt.Errorf("plugin %s: %w", name, err)
		}
		blocks = append(blocks, article{Heading: name, Text: fmt.Sprintf("%d %s", count, manifest.CourseLabel)})
	}
	return blocks, nil
}
