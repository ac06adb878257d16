// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

var (
	// errUnknown means that no entry has this handle.
	errUnknown = errors.New("no such handle")
	// errConflict means that the name is taken by an entry that differs.
	errConflict = errors.New("name is taken with other parameters")
)

const (
	volumePrefix   = "vol-"
	snapshotPrefix = "snap-"
)

// entry is one volume or snapshot. Its file is written after its tree is
// complete and removed before the tree is: what has no entry is rubbish.
type entry struct {
	Handle, Name, Source string
	Size                 int64
	Created              time.Time
	// Frozen asks for the pods to be stopped meanwhile.
	Frozen bool `json:"-"`
}

// store keeps the trees and entries of one driver name.
type store struct {
	root   string
	engine engine

	mu    sync.Mutex
	locks map[string]*sync.RWMutex
	jobs  map[string]*job
}

// job is work that goes on when the caller gave up: the sidecar calls again
// and joins it.
type job struct {
	done chan struct{}
	err  error
}

func openStore(root string, e engine) (*store, error) {
	s := &store{root: root, engine: e, locks: map[string]*sync.RWMutex{}, jobs: map[string]*job{}}
	for _, name := range []string{"tree", "entry"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o711); err != nil {
			return nil, fmt.Errorf("create folder of pool: %w", err)
		}
	}
	trees, err := os.ReadDir(filepath.Join(root, "tree"))
	if err != nil {
		return nil, fmt.Errorf("list trees: %w", err)
	}
	for _, tree := range trees {
		if _, err := s.read(tree.Name()); errors.Is(err, errUnknown) {
			if err := e.Delete(s.tree(tree.Name())); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// handleOf makes handles that a restart makes again and nobody guesses.
func (s *store) handleOf(prefix, name string) string {
	sum := sha256.Sum256([]byte(s.root + "\x00" + prefix + name))
	return prefix + hex.EncodeToString(sum[:16])
}

func (s *store) tree(handle string) string { return filepath.Join(s.root, "tree", handle) }
func (s *store) file(handle string) string { return filepath.Join(s.root, "entry", handle+".json") }

// read never joins to a path what does not look like a handle.
func (s *store) read(handle string) (entry, error) {
	digits, isVolume := strings.CutPrefix(handle, volumePrefix)
	if !isVolume {
		digits, _ = strings.CutPrefix(handle, snapshotPrefix)
	}
	if raw, err := hex.DecodeString(digits); err != nil || len(raw) != 16 {
		return entry{}, errUnknown
	}
	data, err := os.ReadFile(s.file(handle))
	if errors.Is(err, os.ErrNotExist) {
		return entry{}, errUnknown
	}
	if err != nil {
		return entry{}, fmt.Errorf("read entry: %w", err)
	}
	var found entry
	if err := json.Unmarshal(data, &found); err != nil {
		return entry{}, fmt.Errorf("parse entry %s: %w", handle, err)
	}
	return found, nil
}

func (s *store) list(prefix string) ([]entry, error) {
	files, err := filepath.Glob(filepath.Join(s.root, "entry", prefix+"*.json"))
	if err != nil {
		return nil, fmt.Errorf("list entries: %w", err)
	}
	sort.Strings(files)
	var entries []entry
	for _, file := range files {
		found, err := s.read(strings.TrimSuffix(filepath.Base(file), ".json"))
		if errors.Is(err, errUnknown) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, found)
	}
	return entries, nil
}

// create makes the wanted entry's tree, empty or from its source.
func (s *store) create(ctx context.Context, wanted entry) (entry, error) {
	err := s.work(ctx, "create "+wanted.Handle, func() error {
		defer s.lock(wanted.Handle, true)()
		if _, err := s.read(wanted.Handle); !errors.Is(err, errUnknown) {
			return err
		}
		if err := s.engine.Delete(s.tree(wanted.Handle)); err != nil {
			return err
		}
		if err := s.fill(wanted); err != nil {
			return errors.Join(err, s.engine.Delete(s.tree(wanted.Handle)))
		}
		wanted.Created = time.Now()
		data, err := json.Marshal(wanted)
		if err != nil {
			return fmt.Errorf("encode entry: %w", err)
		}
		return writeFile(s.file(wanted.Handle), data)
	})
	if err != nil {
		return entry{}, err
	}
	found, err := s.read(wanted.Handle)
	if err != nil {
		return entry{}, err
	}
	if found.Source != wanted.Source {
		return entry{}, errConflict
	}
	return found, nil
}

func (s *store) fill(wanted entry) error {
	tree := s.tree(wanted.Handle)
	if wanted.Source != "" {
		// A shared lock: a source that is being deleted would read as empty.
		defer s.lock(wanted.Source, false)()
		if _, err := s.read(wanted.Source); err != nil {
			return err
		}
		return s.engine.Clone(s.tree(wanted.Source), tree, wanted.Frozen)
	}
	if err := s.engine.Create(tree); err != nil {
		return err
	}
	// After the fact, for the mode of a creation passes through the umask.
	// Pods of any user write here without fsGroup.
	return os.Chmod(tree, 0o777)
}

func (s *store) delete(ctx context.Context, handle string) error {
	return s.work(ctx, "delete "+handle, func() error {
		defer s.lock(handle, true)()
		if _, err := s.read(handle); errors.Is(err, errUnknown) {
			return nil
		}
		if err := os.Remove(s.file(handle)); err != nil {
			return fmt.Errorf("remove entry: %w", err)
		}
		return s.engine.Delete(s.tree(handle))
	})
}

// work runs do once for all who ask for the same thing at the same time.
func (s *store) work(ctx context.Context, what string, do func() error) error {
	s.mu.Lock()
	running, found := s.jobs[what]
	if !found {
		running = &job{done: make(chan struct{})}
		s.jobs[what] = running
		go func() {
			running.err = do()
			s.mu.Lock()
			delete(s.jobs, what)
			s.mu.Unlock()
			close(running.done)
		}()
	}
	s.mu.Unlock()
	select {
	case <-running.done:
		return running.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *store) lock(handle string, exclusive bool) func() {
	s.mu.Lock()
	lock := s.locks[handle]
	if lock == nil {
		lock = &sync.RWMutex{}
		s.locks[handle] = lock
	}
	s.mu.Unlock()
	if exclusive {
		lock.Lock()
		return lock.Unlock
	}
	lock.RLock()
	return lock.RUnlock
}

// writeFile replaces a file in one step.
func writeFile(name string, data []byte) error {
	partial := name + ".partial"
	if err := os.WriteFile(partial, data, 0o600); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := os.Rename(partial, name); err != nil {
		return fmt.Errorf("rename file: %w", err)
	}
	return nil
}
