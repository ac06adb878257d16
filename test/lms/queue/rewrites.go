// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package queue

// rewrites are the tasks that upgrades queue: statements that may run again.
var rewrites = map[string][]string{
	// Pages of files ask this table from 2.0 on: without it every file is lost
	// to users, which is why the task is required.
	"index_blobs": {
		`INSERT INTO {file_blobs} (contenthash, filesize, refcount)
			SELECT contenthash, max(filesize), count(*) FROM {files} GROUP BY contenthash
			ON CONFLICT (contenthash) DO UPDATE SET refcount = excluded.refcount`,
	},
	"regrade_scales": {
		`UPDATE {grade_scales} s SET checked = true WHERE NOT EXISTS (
			SELECT 1 FROM {grades} g WHERE g.scaleid = s.id AND (g.points < 0 OR g.points > s.maxpoints))`,
	},
	"rebuild_overview": {
		`INSERT INTO {course_overview} (courseid, posts, attempts)
			SELECT c.id, coalesce(p.count, 0), coalesce(a.count, 0) FROM {courses} c
			LEFT JOIN (SELECT courseid, count(*) FROM {forum_posts} GROUP BY courseid) p ON p.courseid = c.id
			LEFT JOIN (SELECT q.courseid, count(*) FROM {quiz_attempts} t JOIN {quizzes} q ON q.id = t.quizid
				GROUP BY q.courseid) a ON a.courseid = c.id
			ON CONFLICT (courseid) DO UPDATE SET posts = excluded.posts, attempts = excluded.attempts`,
	},
	"assign_roles": {
		`INSERT INTO {role_assignments} (userid, role)
			SELECT id, role FROM {users} WHERE NOT deleted ON CONFLICT DO NOTHING`,
	},
	"index_posts": {
		`INSERT INTO {posts_index} (postid, words)
			SELECT id, to_tsvector('simple', subject || ' ' || body) FROM {forum_posts} ON CONFLICT DO NOTHING`,
	},
}
