// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Link makes a tree of links. What is there already stays: it is a link of an
// earlier run, or a new file of the copy.
func Link(ctx context.Context, spec task.LinkTree, p *evidence.Page) error {
	target := spec.Target
	if target == "" {
		target = spec.Base
	}
	files, linked := 0, 0
	err := list(ctx, spec.Base, spec.Skip, func(e *entry) bool {
		files++
		to := filepath.Join(spec.To, e.rel)
		err := os.MkdirAll(filepath.Dir(to), 0o770)
		if err == nil {
			err = os.Symlink(filepath.Join(target, e.rel), to)
		}
		switch {
		case err == nil:
			linked++
		case !errors.Is(err, fs.ErrExist):
			e.err = err
			p.Find(task.Blocking, "FilesFailed", e.rel, "link %s: %v", e.rel, err)
			return false
		}
		return ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return stopped(ctx, err, "link the tree %s", spec.Base)
	}
	p.Fact("files", strconv.Itoa(files))
	p.Fact("linked", strconv.Itoa(linked))
	if p.Blocked > 0 {
		return task.Fail(p.First.Code, "%s", p.First.Message)
	}
	return nil
}

// Clear empties directories. It works within the root: a link that leads out
// of it is removed, never followed.
func Clear(ctx context.Context, spec task.Clear, p *evidence.Page) error {
	root, err := os.OpenRoot(spec.Root)
	if err != nil {
		return task.FailBecause(err, "FilesFailed", "open %s", spec.Root)
	}
	defer root.Close()
	removed := 0
	for _, path := range spec.Paths {
		n, err := empty(ctx, root, path)
		removed += n
		if err != nil {
			return stopped(ctx, err, "empty %s", path)
		}
	}
	p.Fact("removed", strconv.Itoa(removed))
	return nil
}

func empty(ctx context.Context, root *os.Root, path string) (int, error) {
	fi, err := root.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	if !fi.IsDir() {
		return 0, fmt.Errorf("read %s: it is not a directory", path)
	}
	d, err := root.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	for i, name := range names {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if err := root.RemoveAll(filepath.Join(path, name)); err != nil {
			return i, fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return len(names), nil
}
