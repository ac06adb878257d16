// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/agent/process"
	"github.com/gradus-lms/gradus/internal/task"
)

// meter counts bytes and tells how far it is.
type meter struct {
	w     io.Writer
	p     *evidence.Page
	n     int64
	every time.Duration
	last  time.Time
	err   error
}

func (m *meter) Write(b []byte) (int, error) {
	k, err := m.w.Write(b)
	m.n += int64(k)
	if err != nil {
		m.err = err
	}
	if now := time.Now(); now.Sub(m.last) >= m.every {
		m.last = now
		m.p.Progress("%d MiB written", m.n>>20)
	}
	return k, err
}

// tool runs one of the server's own programs and explains how it failed.
func tool(ctx context.Context, argv []string, t Target, out io.Writer, p *evidence.Page) error {
	name, last := filepath.Base(argv[0]), ""
	exit, err := process.Run(ctx, process.Spec{Argv: argv, Env: t.env(), Stdout: out, Line: func(_ bool, l string) {
		p.Progress("%s", l)
		if strings.Contains(l, "error:") || strings.Contains(l, "FATAL") || last == "" {
			last = l
		}
	}})
	switch {
	case err != nil:
		return task.FailBecause(err, task.DatabaseFailed, "%s could not be run", name)
	case exit.Stopped && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return task.Fail(task.DeadlineExceeded, "%s was stopped at its deadline", name)
	case exit.Stopped:
		return ctx.Err()
	case exit.Code != 0:
		return task.Fail(task.DatabaseFailed, "%s failed (%d%s): %s", name, exit.Code, exit.Signal, last)
	}
	return nil
}
