// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Copy copies what is not there yet. Each file appears whole or not at all, so
// that a killed run is gone on with by running it again.
func Copy(ctx context.Context, spec task.CopyTree, p *evidence.Page) error {
	c := &copier{spec: spec, p: p, slow: &throttle{rate: spec.BytesPerSecond}, last: time.Now()}
	if err := os.MkdirAll(spec.To, 0o750); err != nil {
		return task.FailBecause(err, "BackupVolumeUnusable", "make the directory %s", spec.To)
	}
	if err := walk(ctx, spec.From, spec.Skip, spec.Workers, c.work, c.collect); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return task.Fail(task.NotEnoughSpace, "the volume of the copy is full after %d files", c.copied)
		}
		return stopped(ctx, err, "copy the tree %s", spec.From)
	}
	p.Fact("files", strconv.FormatInt(c.files, 10))
	p.Fact("bytes", strconv.FormatInt(c.bytes, 10))
	p.Fact("copied", strconv.FormatInt(c.copied, 10))
	p.Fact("copiedBytes", strconv.FormatInt(c.copiedBytes, 10))
	if p.Blocked > 0 {
		return task.Fail(p.First.Code, "%s (%d in all)", p.First.Message, p.Blocked)
	}
	return nil
}

type copier struct {
	spec                              task.CopyTree
	p                                 *evidence.Page
	slow                              *throttle
	files, bytes, copied, copiedBytes int64
	last                              time.Time
}

func (c *copier) work(ctx context.Context, e *entry) {
	if c.spec.Shards > 1 && shardOf(e.rel, c.spec.Shards) != c.spec.Shard {
		e.note = "elsewhere"
		return
	}
	to := filepath.Join(c.spec.To, e.rel)
	if c.there(to, e.info) {
		e.note = "there"
		return
	}
	if e.err = os.MkdirAll(filepath.Dir(to), 0o750); e.err != nil {
		return
	}
	from := filepath.Join(c.spec.From, e.rel)
	if e.info.Mode()&fs.ModeSymlink != 0 {
		e.err = copyLink(from, to)
		return
	}
	e.sum, e.err = c.copyFile(ctx, from, to, e)
}

// there tells whether the copy has the file. A blob never changes; other files
// are compared by size and time.
func (c *copier) there(to string, info fs.FileInfo) bool {
	fi, err := os.Lstat(to)
	if err != nil {
		return false
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return fi.Mode()&fs.ModeSymlink != 0
	}
	if c.spec.Kind == task.ContentAddressed || !c.spec.Update {
		return fi.Size() == info.Size()
	}
	return fi.Size() == info.Size() && fi.ModTime().Equal(info.ModTime())
}

func (c *copier) copyFile(ctx context.Context, from, to string, e *entry) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".gradus-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	algorithm := task.SHA256
	if c.spec.Kind == task.ContentAddressed {
		algorithm = c.spec.Algorithm
	}
	read := newHash(algorithm)
	if _, err := io.Copy(io.MultiWriter(out, read), slowReader{ctx, in, c.slow}); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(read.Sum(nil))
	if c.spec.Kind == task.ContentAddressed && addressed(e.rel, algorithm) && sum != filepath.Base(e.rel) {
		e.note = "damaged"
		return sum, nil // a damaged original is told, and never put over or beside good copies
	}
	if err := finish(out, e.info); err != nil {
		return "", err
	}
	again, err := hashFile(ctx, out.Name(), algorithm, &throttle{})
	if err != nil {
		return "", err
	}
	if again != sum {
		return "", fmt.Errorf("write %s: read back other bytes than were written", to)
	}
	return sum, os.Rename(out.Name(), to)
}

// finish gives the copy its mode and time and puts it onto the disk.
func finish(f *os.File, info fs.FileInfo) error {
	if err := f.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := os.Chtimes(f.Name(), info.ModTime(), info.ModTime()); err != nil {
		return err
	}
	return f.Sync()
}

func copyLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(to))
	tmp := filepath.Join(filepath.Dir(to), ".gradus-"+hex.EncodeToString(sum[:8]))
	_ = os.Remove(tmp)
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, to)
}

func (c *copier) collect(e *entry) error {
	if errors.Is(e.err, fs.ErrNotExist) {
		c.p.Find(task.Info, "FileVanished", e.rel, "%s was deleted while the tree was copied", e.rel)
		return nil
	}
	if e.err != nil {
		return fmt.Errorf("copy %s: %w", e.rel, e.err)
	}
	if e.note == "elsewhere" {
		return nil
	}
	c.files++
	c.bytes += e.info.Size()
	switch e.note {
	case "damaged":
		c.p.Find(
			task.Blocking,
			task.HashMismatch,
			e.rel,
			"the content of %s is not what its name says; it was not copied",
			e.rel,
		)
	case "":
		c.copied++
		c.copiedBytes += e.info.Size()
	}
	if now := time.Now(); now.Sub(c.last) > 10*time.Second {
		c.last = now
		c.p.Progress("%d files seen, %d copied, %d MiB", c.files, c.copied, c.copiedBytes>>20)
	}
	return nil
}
