// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/agent/process"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

// command runs a program of the image and judges it by code and words.
func (r *runner) command(ctx context.Context, spec task.Command, p *evidence.Page) (*listener, error) {
	l, err := newListener(spec, r.known, p)
	if err != nil {
		return nil, err
	}
	env, err := environment(spec, p)
	if err != nil {
		return nil, err
	}
	var stdin io.Reader
	if spec.StdinFile != "" {
		f, err := os.Open(spec.StdinFile)
		if err != nil {
			return nil, task.FailBecause(err, "CredentialsMissing", "open the input of the command")
		}
		defer f.Close()
		stdin = f
	}
	exit, err := process.Run(ctx, process.Spec{Argv: spec.Argv, Env: env, Dir: spec.WorkDir, Stdin: stdin,
		Line: l.line, Grace: time.Duration(spec.Grace)})
	if err != nil {
		return nil, task.FailBecause(err, "CommandMissing", "the command cannot be run in this image")
	}
	if err := l.keep(); err != nil {
		return l, err
	}
	said := spec.Argv[0]
	if len(spec.Argv) > 1 {
		said = p.Clean(message.Clip(strings.Join(spec.Argv, " "), 120))
	}
	if exit.Stopped {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return l, task.Fail(
				task.DeadlineExceeded,
				"%q was stopped at its deadline; the last it said was: %s",
				said,
				l.lastLine(),
			)
		}
		return l, task.Fail(
			task.Interrupted,
			"%q was stopped, as the pod was told to; the last it said was: %s",
			said,
			l.lastLine(),
		)
	}
	outcome, why := l.judge(exit)
	p.Fact("outcome", string(outcome))
	p.Fact("exitCode", fmt.Sprint(exit.Code))
	want := spec.Want
	if len(want) == 0 {
		want = []task.Outcome{task.OK, task.Warned}
	}
	if slices.Contains(want, outcome) {
		return l, nil
	}
	return l, l.explain(outcome, said, why)
}

// environment is the container's own, plus what the command asks for.
func environment(spec task.Command, p *evidence.Page) ([]string, error) {
	env := os.Environ()
	for k, v := range spec.Env {
		env = append(env, k+"="+v)
	}
	for k, path := range spec.EnvFiles {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, task.FailBecause(err, "CredentialsMissing", "read the value of %s", k)
		}
		v := strings.TrimRight(string(b), "\r\n")
		p.Add(v)
		env = append(env, k+"="+v)
	}
	return env, nil
}

// reasons for outcomes that are not failures of the command, but not what was wanted.
var unwanted = map[task.Outcome]string{
	task.Pending: "UpgradePending", task.Locked: "UpgradeLocked", task.Retry: "TryLater",
	task.OK: "UnexpectedlyDone", task.Warned: "Warned",
}

// explain says in one sentence why the outcome is not what was wanted.
func (l *listener) explain(o task.Outcome, said, why string) error {
	if l.known >= 0 && o != task.Locked && o != task.OK {
		return task.Fail(l.reason, "%s", l.message)
	}
	reason, ok := unwanted[o]
	if !ok {
		reason = task.CommandFailed
	}
	if last := l.lastError(); last != "" && !l.spec.Secret {
		why += ": " + last
	}
	return task.Fail(reason, "%q %s", said, why)
}
