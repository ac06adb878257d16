// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

// run does the task. Once the result is written its code is 0, whatever the
// result: the container report has to start to tell it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	out := f.String("out", task.OutDir, "directory for result and documents")
	tmp := f.String("tmp", task.TmpDir, "directory for scratch")
	file := f.String("task", "", "file with the task, instead of the variable "+task.EnvTask)
	if code, done := parse(f, "Does the task in "+task.EnvTask+" and writes result.json. Exits 0 once that is written.",
		args, stdout, stderr); done {
		return code
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	book, err := evidence.Open(*out, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "gradus agent run: %v\n", err)
		return 1
	}
	keepSecret(book)
	var result task.Result
	t, err := readTask(*file)
	if err == nil {
		err = os.MkdirAll(*tmp, 0o700)
	}
	if err != nil {
		result = task.Result{Reason: task.InvalidTask, Message: err.Error()}
	} else {
		result = Do(ctx, t, book, *tmp)
	}
	if err := writeResult(*out, result); err != nil {
		fmt.Fprintf(stderr, "gradus agent run: %v\n", err)
		return 1
	}
	fmt.Fprintf(stdout, "result: %s: %s\n", result.Reason, result.Message)
	return 0
}

func readTask(file string) (task.Task, error) {
	b := []byte(os.Getenv(task.EnvTask))
	if file != "" {
		var err error
		if b, err = os.ReadFile(file); err != nil {
			return task.Task{}, fmt.Errorf("read task: %w", err)
		}
	}
	// Programs of the LMS have no business with the task.
	if err := os.Unsetenv(task.EnvTask); err != nil {
		return task.Task{}, fmt.Errorf("unset %s: %w", task.EnvTask, err)
	}
	return task.Decode(b)
}

// writeResult makes the result appear whole or not at all.
func writeResult(dir string, r task.Result) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	tmp := filepath.Join(dir, "."+task.ResultDocument)
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := os.Rename(tmp, filepath.Join(dir, task.ResultDocument)); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// runner does one task.
type runner struct {
	book  *evidence.Book
	known task.Catalogue
	tmp   string
	// failure is the first one that counts.
	failure error
	failed  string
}

// Do runs all actions of a task and concludes.
func Do(ctx context.Context, t task.Task, book *evidence.Book, tmp string) task.Result {
	known, err := task.NewCatalogue(t.Known)
	if err != nil {
		return task.Result{Reason: task.InvalidTask, Message: err.Error()}
	}
	r := &runner{book: book, known: known, tmp: tmp}
	r.all(ctx, t.Actions, nil)
	res := book.Result()
	res.OK, res.Reason, res.Message = true, task.Succeeded, fmt.Sprintf("all %d actions succeeded", len(res.Actions))
	if r.failure != nil {
		res.OK, res.Reason = false, task.ReasonOf(r.failure, task.CommandFailed)
		res.Message = message.Clip(book.Clean(r.failed+": "+r.failure.Error()), 1000)
	}
	return res
}

// all runs a list in order. fill completes the databases of a server that we started.
func (r *runner) all(ctx context.Context, actions []task.Action, fill func(*task.Database)) {
	for _, a := range actions {
		if r.failure != nil && !a.Always {
			r.book.Did(task.ActionResult{Name: a.Name, Reason: task.NotRun})
			continue
		}
		actx := ctx
		if a.Always {
			// Putting things back goes on also when the pod is told to go.
			actx = context.WithoutCancel(ctx)
		}
		if fill != nil {
			a = a.WithDatabases(fill)
		}
		began := time.Now()
		err := r.one(actx, a)
		did := task.ActionResult{Name: a.Name, OK: err == nil, Took: task.Duration(time.Since(began).Round(time.Millisecond))}
		if err != nil {
			did.Reason = task.ReasonOf(err, task.CommandFailed)
			r.blame(a, err)
		}
		r.book.Did(did)
	}
}

func (r *runner) blame(a task.Action, err error) {
	p := r.book.Page(a.Name)
	p.Progress("failed: %v", err)
	if a.Advisory {
		p.Find(task.Warning, task.ReasonOf(err, task.CommandFailed), a.Name, "%v", err)
		return
	}
	if r.failure == nil {
		r.failure, r.failed = err, a.Name
	}
}

func (r *runner) one(ctx context.Context, a task.Action) error {
	ctx, cancel := context.WithTimeout(ctx, a.Limit())
	defer cancel()
	p := r.book.Page(a.Name)
	p.Progress("%s begins, at most %s", a.Kind(), a.Limit())
	err := r.dispatch(ctx, a, p)
	var f *task.Failure
	switch {
	case err == nil || errors.As(err, &f) && f.Reason == task.DeadlineExceeded:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded):
		return task.FailBecause(err, task.DeadlineExceeded, "was stopped after %s", a.Limit())
	case errors.Is(ctx.Err(), context.Canceled):
		return task.FailBecause(err, task.Interrupted, "the pod was told to stop")
	}
	return err
}
