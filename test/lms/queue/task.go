// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package queue is the task queue and the cron that works it off.
package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
	"github.com/gradus-lms/gradus/test/lms/files"
	"github.com/gradus-lms/gradus/test/lms/setting"
)

// Kind says when a task must have run.
type Kind string

// Required tasks must run before users come back after an upgrade; others that
// the upgrade queued may run afterwards.
const (
	Normal     Kind = "normal"
	Required   Kind = "required"
	Afterwards Kind = "afterwards"
)

// Task is one row of the queue.
type Task struct {
	ID        int64  `json:"id"`
	Class     string `json:"class"`
	Kind      Kind   `json:"kind"`
	Attempts  int    `json:"attempts"`
	FailDelay int    `json:"failDelay"`
	NextRun   int64  `json:"nextRun"`

	payload string
}

// Enqueue adds a task that is due at once.
func Enqueue(ctx context.Context, db *database.DB, class string, kind Kind, payload any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("queue %s: %w", class, err)
	}
	_, err = db.Exec(ctx, "INSERT INTO {tasks} (class, kind, payload) VALUES ($1, $2, $3)",
		class, string(kind), string(text))
	if err != nil {
		return fmt.Errorf("queue %s: %w", class, err)
	}
	return nil
}

// List reads the queue.
func List(ctx context.Context, db *database.DB) ([]Task, error) {
	rows, err := db.Query(ctx, "SELECT id, class, kind, attempts, faildelay, nextrun FROM {tasks} ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	tasks := []Task{}
	for rows.Next() {
		var task Task
		err := rows.Scan(&task.ID, &task.Class, &task.Kind, &task.Attempts, &task.FailDelay, &task.NextRun)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, task)
	}
	return tasks, rows.Err()
}

// Worker runs tasks.
type Worker struct {
	DB       *database.DB
	Settings *setting.Store
	Files    files.Store
	Config   config.Config
	Faults   fault.Set
	Client   *http.Client
	Out      io.Writer
}

// Drain runs the due tasks of a kind until none is left. A task that queues
// itself keeps it busy for ever: whoever calls sets the deadline.
func (w *Worker) Drain(ctx context.Context, kind Kind) error {
	for {
		found, err := w.next(ctx, kind)
		if err != nil || !found {
			return err
		}
	}
}

// next takes the oldest due task and runs it inside the transaction that
// removes it; other workers pass over it meanwhile.
func (w *Worker) next(ctx context.Context, kind Kind) (found bool, err error) {
	var task Task
	var failure error
	err = w.DB.InTransaction(ctx, func(tx *database.DB) error {
		err := tx.Row(ctx, `SELECT id, class, kind, payload FROM {tasks}
			WHERE kind = $1 AND nextrun <= $2 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`,
			[]any{string(kind), time.Now().Unix()}, &task.ID, &task.Class, &task.Kind, &task.payload)
		if database.IsMissing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		found = true
		if failure = w.perform(ctx, tx, task); failure != nil {
			return failure
		}
		_, err = tx.Exec(ctx, "DELETE FROM {tasks} WHERE id = $1", task.ID)
		return err
	})
	if failure == nil {
		return found, err
	}
	w.say("task %d %s failed: %v", task.ID, task.Class, failure)
	_, err = w.DB.Exec(ctx, `UPDATE {tasks} SET attempts = attempts + 1,
		faildelay = least(86400, greatest(60, faildelay * 2)),
		nextrun = $2 + least(86400, greatest(60, faildelay * 2)) WHERE id = $1`, task.ID, time.Now().Unix())
	if err != nil {
		return false, err
	}
	if kind == Normal {
		return true, nil // a mail that fails stops nobody
	}
	return false, fmt.Errorf("task %s: %w", task.Class, failure)
}

func (w *Worker) perform(ctx context.Context, tx *database.DB, task Task) error {
	switch task.Class {
	case "send_mail":
		return w.sendMail(ctx, task.payload)
	case "call_webhook":
		return w.callWebhook(ctx, task.payload)
	}
	statements, found := rewrites[task.Class]
	if !found {
		return fmt.Errorf("class %q is not known to this release", task.Class)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	w.say("task %d %s done", task.ID, task.Class)
	if task.Class == "index_blobs" && len(w.Faults.Subjects(fault.TaskLoop)) > 0 {
		return Enqueue(ctx, tx, task.Class, task.Kind, struct{}{})
	}
	return nil
}

func (w *Worker) say(format string, args ...any) {
	_, _ = fmt.Fprintf(w.Out, format+"\n", args...)
}
