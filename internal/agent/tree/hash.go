// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Hash proves (content-addressed) or describes (manifested) a tree.
func Hash(ctx context.Context, spec task.HashTree, p *evidence.Page) error {
	out, closeManifest, err := manifest(spec, p)
	if err != nil {
		return err
	}
	h := &hasher{spec: spec, p: p, out: out, slow: &throttle{rate: spec.BytesPerSecond}, last: time.Now()}
	digest := sha256.New()
	h.lines = io.MultiWriter(out, digest)
	if err := walk(ctx, spec.Root, spec.Skip, spec.Workers, h.work, h.collect); err != nil {
		_ = closeManifest()
		return stopped(ctx, err, "read the tree %s", spec.Root)
	}
	if err := closeManifest(); err != nil {
		return err
	}
	sum := hex.EncodeToString(digest.Sum(nil))
	p.Fact("files", strconv.FormatInt(h.files, 10))
	p.Fact("bytes", strconv.FormatInt(h.bytes, 10))
	p.Fact("hashed", strconv.FormatInt(h.hashed, 10))
	p.Fact("digest", sum)
	if spec.Expect != "" && spec.Expect != sum {
		p.Find(task.Blocking, task.HashMismatch, spec.Root, "the tree %s is not what it was: digest %s expected, %s found",
			spec.Root, spec.Expect, sum)
	}
	if p.Blocked > 0 {
		return task.Fail(p.First.Code, "%s (%d in all)", p.First.Message, p.Blocked)
	}
	return nil
}

// manifest is where the lines of the tree go.
func manifest(spec task.HashTree, p *evidence.Page) (io.Writer, func() error, error) {
	if spec.ManifestFile == "" {
		if spec.Kind == task.ContentAddressed {
			return io.Discard, func() error { return nil }, nil // each name is its own proof
		}
		d, err := p.NewDocument("manifest.txt")
		if err != nil {
			return nil, nil, err
		}
		return d, d.Close, nil
	}
	f, err := os.CreateTemp(filepath.Dir(spec.ManifestFile), ".gradus-*")
	if err != nil {
		return nil, nil, fmt.Errorf("create manifest: %w", err)
	}
	w := bufio.NewWriter(f)
	return w, func() error {
		defer os.Remove(f.Name())
		err := errors.Join(w.Flush(), f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), spec.ManifestFile)
		}
		if err != nil {
			return fmt.Errorf("write manifest %s: %w", spec.ManifestFile, err)
		}
		return nil
	}, nil
}

type hasher struct {
	spec                 task.HashTree
	p                    *evidence.Page
	out                  io.Writer
	lines                io.Writer
	slow                 *throttle
	files, bytes, hashed int64
	last                 time.Time
}

// work runs in the workers.
func (h *hasher) work(ctx context.Context, e *entry) {
	path := filepath.Join(h.spec.Root, e.rel)
	if e.info.Mode()&fs.ModeSymlink != 0 {
		e.sum, e.err = os.Readlink(path)
		e.note = "link"
		return
	}
	algorithm := task.SHA256
	if h.spec.Kind == task.ContentAddressed {
		algorithm = h.spec.Algorithm
		if !addressed(e.rel, algorithm) {
			e.note = "unexpected"
			return
		}
		if h.spec.SampleEvery > 1 && shardOf(e.rel, h.spec.SampleEvery) != 0 {
			e.sum = filepath.Base(e.rel)
			return
		}
	}
	e.sum, e.err = hashFile(ctx, path, algorithm, h.slow)
	e.hashed = true
}

// collect runs in order of the walk.
func (h *hasher) collect(e *entry) error {
	if errors.Is(e.err, fs.ErrNotExist) && h.spec.Kind == task.ContentAddressed {
		h.p.Find(task.Info, "FileVanished", e.rel, "%s was deleted while the tree was read", e.rel)
		return nil
	}
	if e.err != nil {
		return fmt.Errorf("read %s: %w", e.rel, e.err)
	}
	h.files++
	h.bytes += e.info.Size()
	if e.hashed {
		h.hashed++
	}
	if now := time.Now(); now.Sub(h.last) > 10*time.Second {
		h.last = now
		h.p.Progress("%d files, %d MiB", h.files, h.bytes>>20)
	}
	switch {
	case e.note == "unexpected":
		h.p.Find(task.Info, "UnexpectedFile", e.rel, "%s is not named like a hash", e.rel)
		return nil
	case h.spec.Kind == task.ContentAddressed && e.note == "" && e.sum != filepath.Base(e.rel):
		h.p.Find(task.Blocking, task.HashMismatch, e.rel, "the content of %s is not what its name says", e.rel)
	}
	_, err := fmt.Fprintf(h.lines, "%s %d %s\n", strings.ReplaceAll(e.sum, "\n", "?"), e.info.Size(), quoted(e.rel))
	return err
}

// quoted keeps a manifest one line per file, whatever the file is called.
func quoted(rel string) string {
	if strings.ContainsAny(rel, "\n\r\"\\") {
		return strconv.Quote(rel)
	}
	return rel
}

func shardOf(rel string, n int) int {
	f := fnv.New32a()
	_, _ = f.Write([]byte(rel))
	return int(f.Sum32() % uint32(n))
}

func hashFile(ctx context.Context, path string, a task.Algorithm, t *throttle) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := newHash(a)
	if _, err := io.Copy(sum, slowReader{ctx, f, t}); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// stopped tells a deadline from a failure.
func stopped(ctx context.Context, err error, format string, args ...any) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return task.Fail(task.DeadlineExceeded, "the deadline came before the end of: "+format, args...)
	}
	return task.FailBecause(err, "FilesFailed", format, args...)
}
