// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package tree reads, proves and copies trees of files: in order, with bounded
// memory, and no faster than it may.
package tree

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name of a blob is what the LMS chose, not a signature of ours
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

// entry is one file on its way from the walker through a worker to the collector.
type entry struct {
	rel    string
	info   fs.FileInfo
	hashed bool
	sum    string
	note   string
	err    error
	done   chan struct{}
}

// unfinished is how a file begins that a killed copy left behind; it is no part of any tree.
const unfinished = ".gradus-"

// window is how many entries may be under way: the bound of our memory.
const window = 512

// walk sends every regular file and symbolic link below root to the workers
// and hands them to collect in the order of the walk.
func walk(ctx context.Context, root string, skip []string, workers int,
	work func(context.Context, *entry), collect func(*entry) error) error {
	if workers < 1 {
		workers = 2
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs, order := make(chan *entry, window), make(chan *entry, window)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for e := range jobs {
				work(ctx, e)
				close(e.done)
			}
		})
	}
	walked := make(chan error, 1)
	go func() {
		defer close(order)
		defer close(jobs)
		walked <- list(ctx, root, skip, func(e *entry) bool { return hand(ctx, e, order) && hand(ctx, e, jobs) })
	}()
	var first error
	for e := range order {
		if first != nil {
			continue
		}
		select {
		case <-e.done:
			first = collect(e)
		case <-ctx.Done():
			first = ctx.Err()
		}
		if first != nil {
			cancel()
		}
	}
	wg.Wait()
	if err := <-walked; first == nil {
		first = err
	}
	return first
}

// hand gives an entry on, unless all is over.
func hand(ctx context.Context, e *entry, to chan<- *entry) bool {
	select {
	case to <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func list(ctx context.Context, root string, skip []string, emit func(*entry) bool) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if rel != "." && skipped(rel, skip) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasPrefix(d.Name(), unfinished) && !d.IsDir() {
			return nil
		}
		if !listed(d) {
			return ctx.Err()
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if !emit(&entry{rel: rel, info: info, done: make(chan struct{})}) {
			return ctx.Err()
		}
		return nil
	})
}

// listed says whether an entry is of the kinds that make a tree: files and symbolic links.
func listed(d fs.DirEntry) bool {
	return d.Type().IsRegular() || d.Type()&fs.ModeSymlink != 0
}

func skipped(rel string, skip []string) bool {
	for _, s := range skip {
		s = strings.Trim(s, "/")
		if rel == s || strings.HasPrefix(rel, s+"/") {
			return true
		}
	}
	return false
}

func newHash(a task.Algorithm) hash.Hash {
	if a == task.SHA256 {
		return sha256.New()
	}
	return sha1.New() //nolint:gosec // see the import
}

// addressed tells whether a path's last element is a hash of the algorithm.
func addressed(rel string, a task.Algorithm) bool {
	name := filepath.Base(rel)
	want := sha1.Size
	if a == task.SHA256 {
		want = sha256.Size
	}
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == want && name == strings.ToLower(name)
}

// throttle shares a budget of bytes per second among readers.
type throttle struct {
	mu   sync.Mutex
	rate int64
	next time.Time
}

// wait returns when n more bytes may be read.
func (t *throttle) wait(ctx context.Context, n int) error {
	if t.rate <= 0 || n == 0 {
		return ctx.Err()
	}
	t.mu.Lock()
	now := time.Now()
	if t.next.Before(now) {
		t.next = now
	}
	pause := t.next.Sub(now)
	t.next = t.next.Add(time.Duration(float64(n) / float64(t.rate) * float64(time.Second)))
	t.mu.Unlock()
	if pause <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// slowReader reads within the budget and stops with the context.
type slowReader struct {
	ctx context.Context
	r   io.Reader
	t   *throttle
}

func (s slowReader) Read(p []byte) (int, error) {
	if len(p) > 64<<10 {
		p = p[:64<<10]
	}
	n, err := s.r.Read(p)
	if werr := s.t.wait(s.ctx, n); werr != nil {
		return n, werr
	}
	return n, err
}
