// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
)

// cronLock is the advisory lock that every cron round shares: whoever wants to
// know that none runs takes it alone.
const cronLock = 0x63616d707573

// Round runs the scheduled tasks that are due, then the queue.
func (w *Worker) Round(ctx context.Context) error {
	return w.DB.WithLock(ctx, cronLock, database.Shared, time.Minute, func() error {
		if err := w.runScheduled(ctx); err != nil {
			return err
		}
		for _, kind := range []Kind{Normal, Required, Afterwards} {
			if err := w.Drain(ctx, kind); err != nil {
				w.say("%v", err)
			}
		}
		if len(w.Faults.Subjects(fault.CronMails)) > 0 {
			// A plugin that talks to the mail server itself asks no setting.
			mail := Mail{To: "student0001@students.example", Subject: "Report of a plugin"}
			if err := w.deliver(ctx, w.Config.SMTP.Host, mail); err != nil {
				w.say("%v", err)
			}
		}
		return w.Settings.SetAll(ctx, map[string]string{"cron_lastrun": strconv.FormatInt(time.Now().Unix(), 10)})
	})
}

// WaitIdle returns when no round runs any more.
func (w *Worker) WaitIdle(ctx context.Context, limit time.Duration) error {
	err := w.DB.WithLock(ctx, cronLock, database.Alone, limit, func() error { return nil })
	if database.IsLockTimeout(err) {
		return fmt.Errorf("cron still runs after %s", limit)
	}
	return err
}

type scheduled struct {
	name    string
	every   int64
	lastRun int64
}

func (w *Worker) runScheduled(ctx context.Context) error {
	due, err := w.dueScheduled(ctx)
	if err != nil {
		return err
	}
	for _, task := range due {
		start := time.Now().Unix()
		if err := w.performScheduled(ctx, task); err != nil {
			w.say("scheduled task %s failed: %v", task.name, err)
			continue
		}
		_, err := w.DB.Exec(ctx, "UPDATE {scheduled_tasks} SET lastrun = $2 WHERE name = $1", task.name, start)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) dueScheduled(ctx context.Context) ([]scheduled, error) {
	trash, _, err := w.Settings.Get(ctx, "trash_interval")
	if err != nil {
		return nil, err
	}
	rows, err := w.DB.Query(ctx, "SELECT name, every, lastrun FROM {scheduled_tasks} WHERE NOT disabled ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var due []scheduled
	now := time.Now().Unix()
	for rows.Next() {
		var task scheduled
		if err := rows.Scan(&task.name, &task.every, &task.lastRun); err != nil {
			return nil, err
		}
		if seconds, err := strconv.ParseInt(trash, 10, 64); err == nil && task.name == "cleanup_files" {
			task.every = seconds
		}
		if task.lastRun+task.every <= now {
			due = append(due, task)
		}
	}
	return due, rows.Err()
}

func (w *Worker) performScheduled(ctx context.Context, task scheduled) error {
	switch task.name {
	case "cleanup_files":
		return w.Files.EmptyTrash()
	case "prune_sessions":
		_, err := w.DB.Exec(ctx, "DELETE FROM {sessions} WHERE expires_at < $1", time.Now().Unix())
		return err
	case "send_digests":
		return w.queueDigests(ctx, task.lastRun)
	case "ping_webhook":
		return Enqueue(ctx, w.DB, "call_webhook", Normal, Hook{Event: "ping"})
	}
	return fmt.Errorf("%s is not known to this release", task.name)
}

// queueDigests mails the teachers about posts since the last digest. The first
// digest of a site is about nothing: it would be about everything.
func (w *Worker) queueDigests(ctx context.Context, since int64) error {
	if since == 0 {
		return nil
	}
	var posts int
	err := w.DB.Row(ctx, "SELECT count(*) FROM {forum_posts} WHERE created_at > $1", []any{since}, &posts)
	if err != nil || posts == 0 {
		return err
	}
	return Enqueue(ctx, w.DB, "send_mail", Normal,
		Mail{To: "teachers@teachers.example", Subject: fmt.Sprintf("%d new posts", posts)})
}
