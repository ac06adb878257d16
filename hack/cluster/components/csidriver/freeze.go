// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

var (
	errNotFrozen = errors.New("pod did not freeze in time")
	podUID       = regexp.MustCompile(`/pods/([0-9a-f-]{36})/volumes/`)
)

// freezer stops every process of the pods that use a tree. It writes down what
// it freezes first: a driver that was killed thaws when it starts again.
type freezer struct {
	root, ledger string
	mu           sync.Mutex
	held         map[string]int
}

// freeze returns what thaws again.
func (f *freezer) freeze(tree string) (func() error, error) {
	groups, err := f.groups(tree)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held == nil {
		f.held = map[string]int{}
	}
	for _, group := range groups {
		f.held[group]++
	}
	thaw := func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.release(groups)
	}
	if err := f.record(); err != nil {
		return nil, errors.Join(err, f.release(groups))
	}
	for _, group := range groups {
		if err := setFrozen(group, true); err != nil {
			return nil, errors.Join(err, f.release(groups))
		}
	}
	return thaw, nil
}

func (f *freezer) release(groups []string) error {
	var failures []error
	for _, group := range groups {
		if f.held[group]--; f.held[group] > 0 {
			continue
		}
		delete(f.held, group)
		failures = append(failures, setFrozen(group, false))
	}
	return errors.Join(append(failures, f.record())...)
}

func (f *freezer) record() error {
	var lines strings.Builder
	for group := range f.held {
		fmt.Fprintln(&lines, group)
	}
	if err := writeFile(f.ledger, []byte(lines.String())); err != nil {
		return fmt.Errorf("record frozen pods: %w", err)
	}
	return nil
}

// thawAll thaws what an earlier process of the driver left frozen.
func (f *freezer) thawAll() error {
	data, err := os.ReadFile(f.ledger)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read record of frozen pods: %w", err)
	}
	for _, group := range strings.Fields(string(data)) {
		if err := setFrozen(group, false); err != nil {
			return err
		}
	}
	return f.record()
}

// groups finds the cgroups of the pods that a tree is mounted into.
func (f *freezer) groups(tree string) ([]string, error) {
	if f.root == "" {
		return nil, nil
	}
	targets, err := mountsOf(filepath.Base(tree))
	if err != nil {
		return nil, err
	}
	var groups []string
	seen := map[string]bool{}
	for _, target := range targets {
		match := podUID.FindStringSubmatch(target)
		if match == nil || seen[match[1]] {
			continue
		}
		seen[match[1]] = true
		for _, pattern := range []string{"pod" + match[1], "*/pod" + match[1]} {
			found, err := filepath.Glob(filepath.Join(f.root, pattern))
			if err != nil {
				return nil, fmt.Errorf("find cgroup of pod %s: %w", match[1], err)
			}
			groups = append(groups, found...)
		}
	}
	return groups, nil
}

// setFrozen knows both versions of the freezer. Version 1 may need telling
// again while processes fork. A group that is gone needs nothing.
func setFrozen(group string, frozen bool) error {
	file, want := filepath.Join(group, "freezer.state"), "THAWED"
	if frozen {
		want = "FROZEN"
	}
	read, confirmed := file, want
	if _, err := os.Stat(file); err != nil {
		file, read = filepath.Join(group, "cgroup.freeze"), filepath.Join(group, "cgroup.events")
		want, confirmed = "0", "frozen 0"
		if frozen {
			want, confirmed = "1", "frozen 1"
		}
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		err := os.WriteFile(file, []byte(want), 0o644)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("write %s to %s: %w", want, file, err)
		}
		state, err := os.ReadFile(read)
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(state), confirmed) {
			return nil
		}
	}
	return fmt.Errorf("write %s to %s: %w", want, file, errNotFrozen)
}
