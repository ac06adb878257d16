// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gradus-lms/gradus/hack/cluster/internal/build"
)

func assets(l Layout, _ []string) error {
	folder, err := l.Builder().BuildAssets()
	if err != nil {
		return err
	}
	fmt.Println(folder)
	return nil
}

func buildAll(l Layout, _ []string) error {
	if _, err := l.Builder().BuildAssets(); err != nil {
		return err
	}
	_, err := programs(l)
	return err
}

// programs builds every component and returns the path of each program.
func programs(l Layout) (map[string]string, error) {
	start := time.Now()
	paths := map[string]string{}
	for _, component := range build.All {
		folder, err := l.Builder().Build(component)
		if err != nil {
			return nil, err
		}
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, fmt.Errorf("list programs of %s: %w", component.Name, err)
		}
		for _, entry := range entries {
			paths[entry.Name()] = filepath.Join(folder, entry.Name())
		}
	}
	if spent := time.Since(start); spent > time.Second {
		fmt.Fprintf(os.Stderr, "all programs built in %s\n", spent.Round(time.Second))
	}
	return paths, nil
}

// linkPrograms makes the state folder's bin the programs of this build.
func linkPrograms(l Layout, paths map[string]string) error {
	if err := os.MkdirAll(l.Path("bin"), 0o755); err != nil {
		return fmt.Errorf("create folder of programs: %w", err)
	}
	for name, target := range paths {
		if current, err := os.Readlink(l.Program(name)); err == nil && current == target {
			continue
		}
		if err := os.Remove(l.Program(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove link %s: %w", name, err)
		}
		if err := os.Symlink(target, l.Program(name)); err != nil {
			return fmt.Errorf("link program %s: %w", name, err)
		}
	}
	return nil
}
