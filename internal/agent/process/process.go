// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package process runs programs of images that are not ours: with a deadline
// that reaches the whole process group, and with output bounded in memory.
package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Spec is what to run.
type Spec struct {
	Argv  []string
	Env   []string
	Dir   string
	Stdin io.Reader
	// Stdout takes the bytes as they are, instead of Line.
	Stdout io.Writer
	// Line gets each line of both streams; calls do not overlap.
	Line func(stderr bool, line string)
	// Grace is the time between SIGTERM and SIGKILL; 0 means 10s.
	Grace time.Duration
}

// Exit is how a program ended.
type Exit struct {
	Code   int
	Signal string
	// Stopped tells that the context ended it.
	Stopped bool
}

// maxLine is where a line is cut: the memory bound of a program that prints no newline.
const maxLine = 64 << 10

// Run runs a program to its end. An error means that it could not be started;
// how it ended is in Exit.
func Run(ctx context.Context, s Spec) (Exit, error) {
	cmd := exec.Command(s.Argv[0], s.Argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = s.Env, s.Dir, s.Stdin
	// A group of its own, so that children of the program are reached too.
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var pipes []*os.File
	follow := func(stderr bool) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		pipes = append(pipes, w)
		wg.Go(func() {
			defer r.Close()
			lines(r, func(l string) {
				mu.Lock()
				defer mu.Unlock()
				if s.Line != nil {
					s.Line(stderr, l)
				}
			})
		})
		return w, nil
	}
	var err error
	if s.Stdout != nil {
		cmd.Stdout = s.Stdout
	} else if cmd.Stdout, err = follow(false); err != nil {
		return Exit{}, err
	}
	if cmd.Stderr, err = follow(true); err != nil {
		return Exit{}, err
	}
	err = cmd.Start()
	for _, w := range pipes {
		w.Close()
	}
	if err != nil {
		return Exit{}, fmt.Errorf("start %s: %w", s.Argv[0], err)
	}
	exit := wait(ctx, cmd, s.Grace)
	wg.Wait()
	return exit, nil
}

// wait returns when the program and its whole group are gone or told to go.
func wait(ctx context.Context, cmd *exec.Cmd, grace time.Duration) Exit {
	if grace == 0 {
		grace = 10 * time.Second
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	group := -cmd.Process.Pid
	stopped := false
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		stopped = true
		_ = syscall.Kill(group, syscall.SIGTERM)
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case err = <-done:
		case <-timer.C:
			_ = syscall.Kill(group, syscall.SIGKILL)
			err = <-done
		}
	}
	// Children left behind would keep the pipes open and the deadline would not hold.
	_ = syscall.Kill(group, syscall.SIGKILL)
	return exitOf(err, stopped)
}

func exitOf(err error, stopped bool) Exit {
	e := Exit{Stopped: stopped}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		e.Code = ee.ExitCode()
		if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			e.Signal = ws.Signal().String()
		}
	} else if err != nil {
		e.Code = -1
	}
	return e
}

// lines splits at newlines and carriage returns (progress bars), cutting what is too long.
func lines(r io.Reader, emit func(string)) {
	br := bufio.NewReaderSize(r, maxLine)
	buf := make([]byte, 0, 1024)
	for {
		b, err := br.ReadByte()
		if err != nil {
			if len(buf) > 0 {
				emit(string(buf))
			}
			return
		}
		if b == '\n' || b == '\r' || len(buf) == maxLine {
			if len(buf) > 0 || b == '\n' {
				emit(string(buf))
			}
			buf = buf[:0]
			if b == '\n' || b == '\r' {
				continue
			}
		}
		buf = append(buf, b)
	}
}
