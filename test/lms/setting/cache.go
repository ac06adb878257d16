// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package setting

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	cacheFile      = "config.json"
	generationFile = "generation"
)

// Cache is the folder of the data root that all pods of the site share.
type Cache struct{ Dir string }

func (c Cache) generation() string {
	text, _ := os.ReadFile(filepath.Join(c.Dir, generationFile))
	return string(text)
}

func (c Cache) load() (all map[string]string, generation string, found bool) {
	generation = c.generation()
	text, err := os.ReadFile(filepath.Join(c.Dir, cacheFile))
	if err != nil || json.Unmarshal(text, &all) != nil {
		return nil, generation, false
	}
	return all, generation, true
}

// save keeps the settings unless the cache was purged since they were read. A
// cache that cannot be written is no cache; the site still works.
func (c Cache) save(all map[string]string, generation string) {
	text, err := json.Marshal(all)
	if err != nil || os.MkdirAll(c.Dir, 0o777) != nil {
		return
	}
	file, err := os.CreateTemp(c.Dir, ".config-*")
	if err != nil {
		return
	}
	_, err = file.Write(text)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil || c.generation() != generation {
		_ = os.Remove(file.Name())
		return
	}
	_ = os.Chmod(file.Name(), 0o666)
	_ = os.Rename(file.Name(), filepath.Join(c.Dir, cacheFile))
}

// Purge forgets everything, and makes sure that a reader who is half-way does
// not bring the old state back.
func (c Cache) Purge() error {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return fmt.Errorf("purge cache: %w", err)
	}
	mark := strconv.FormatInt(time.Now().UnixNano(), 10)
	if err := os.WriteFile(filepath.Join(c.Dir, generationFile), []byte(mark), 0o666); err != nil {
		return fmt.Errorf("purge cache: %w", err)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return fmt.Errorf("purge cache: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() == generationFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.Dir, entry.Name())); err != nil {
			return fmt.Errorf("purge cache: %w", err)
		}
	}
	return nil
}
