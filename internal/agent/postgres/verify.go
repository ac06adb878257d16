// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// VerifyDump proves a dump by restoring it into a server of its own.
func VerifyDump(ctx context.Context, spec task.VerifyDump, scratch string, p *evidence.Page) error {
	m, err := openDump(spec.Dir, spec.Name, p)
	if err != nil {
		return err
	}
	initdb, err := findTools(spec.BinDir, "initdb", 0)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(spec.ScratchDir, "verify-")
	if err != nil {
		return task.FailBecause(err, task.NotEnoughSpace, "make a directory for the scratch server")
	}
	defer os.RemoveAll(dir)
	extra, err := passwd(dir)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	argv := []string{
		initdb,
		"-D",
		data,
		"-U",
		"postgres",
		"-A",
		"trust",
		"-E",
		encodingOr(m.Encoding),
		"--locale=C",
		"--no-sync",
	}
	if err := initialise(ctx, argv, extra, p); err != nil {
		return err
	}
	s, err := start(ctx, filepath.Dir(initdb), data, "postgres", scratch, p)
	if err != nil {
		return err
	}
	defer s.stop()
	// The collation of production may be missing in the image; order of text is not what is proven here.
	m.Collate, m.CType, m.Settings = "C", "C", nil
	r := task.Restore{Into: "verify", Dir: spec.Dir, Name: spec.Name, Queries: spec.Queries, Jobs: spec.Jobs}
	c, err := connect(ctx, s.target("postgres"), true)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := makeDatabase(ctx, c, r, m); err != nil {
		return err
	}
	restore, err := findTools(filepath.Dir(initdb), "pg_restore", 0)
	if err != nil {
		return err
	}
	if err := load(ctx, restore, filepath.Join(spec.Dir, m.File), s.target("verify"), r, p); err != nil {
		return err
	}
	return verify(ctx, s.target("verify"), m, spec.Queries, p)
}

func encodingOr(e string) string {
	if e == "" {
		return "UTF8"
	}
	return e
}

// initialise makes a data directory.
func initialise(ctx context.Context, argv, extra []string, p *evidence.Page) error {
	for _, e := range extra {
		k, v, _ := strings.Cut(e, "=")
		if err := os.Setenv(k, v); err != nil {
			return fmt.Errorf("set %s: %w", k, err)
		}
		defer os.Unsetenv(k)
	}
	err := tool(ctx, argv, Target{}, io.Discard, p)
	if err != nil && !errors.Is(err, context.Canceled) {
		return task.FailBecause(err, task.RecoverFailed, "make a scratch server")
	}
	return err
}
