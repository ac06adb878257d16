// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package plugin knows which plugins the image brings, bundled and added, and
// which of them the database knows.
package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gradus-lms/gradus/test/lms/release"
)

// Source says how a plugin came into the image.
type Source string

// Bundled plugins come with the release; added ones lie in the plugin folder.
const (
	Bundled Source = "bundled"
	Added   Source = "added"
)

// Migration is one named step of an added plugin.
type Migration struct {
	Version int64    `json:"version"`
	Name    string   `json:"name"`
	SQL     []string `json:"sql"`
}

// Manifest is plugin.json, or its like for a bundled plugin.
type Manifest struct {
	Component    string      `json:"component"`
	Version      int64       `json:"version"`
	Requires     string      `json:"requires,omitempty"`
	Incompatible string      `json:"incompatible,omitempty"` // first release that it refuses
	Migrations   []Migration `json:"migrations,omitempty"`
	CourseQuery  string      `json:"courseQuery,omitempty"` // one number for the course page; $1 is the course
	CourseLabel  string      `json:"courseLabel,omitempty"`

	Source Source `json:"-"`
}

// bundled lists the plugins of core with the releases that they came and went in.
var bundled = []struct{ component, since, until string }{
	{"auth_manual", "1.0", ""},
	{"block_news", "1.5", ""},
	{"mod_chat", "1.0", "2.0"},
	{"mod_forum", "1.0", ""},
	{"mod_quiz", "1.0", ""},
	{"report_grades", "2.0", ""},
	{"theme_plain", "1.0", ""},
}

// removedTables are dropped with their bundled plugin.
var removedTables = map[string][]string{"mod_chat": {"chat_messages", "chat_rooms"}}

// RemovedTables lists the tables that go when a bundled plugin goes.
func RemovedTables(component string) []string { return removedTables[component] }

// OnDisk lists the plugins of the image. An added plugin takes the place of a
// bundled one of the same name.
func OnDisk(code release.Release, dir string) (map[string]Manifest, error) {
	found := map[string]Manifest{}
	for _, b := range bundled {
		if code.AtLeast(b.since) && (b.until == "" || !code.AtLeast(b.until)) {
			found[b.component] = Manifest{Component: b.component, Version: code.Version, Source: Bundled}
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*", "plugin.json"))
	if err != nil {
		return nil, fmt.Errorf("list plugins: %w", err)
	}
	for _, path := range paths {
		manifest, err := read(path)
		if err != nil {
			return nil, err
		}
		found[manifest.Component] = manifest
	}
	return found, nil
}

func read(path string) (Manifest, error) {
	manifest := Manifest{Source: Added}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return manifest, fmt.Errorf("plugin %s went away: %w", path, err)
	}
	if err != nil {
		return manifest, fmt.Errorf("read plugin: %w", err)
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return manifest, fmt.Errorf("parse plugin %s: %w", path, err)
	}
	if manifest.Component == "" || manifest.Version == 0 {
		return manifest, fmt.Errorf("plugin %s: component and version are needed", path)
	}
	return manifest, nil
}

func removedFromCore(component string, code release.Release) bool {
	for _, b := range bundled {
		if b.component == component {
			return b.until != "" && code.AtLeast(b.until)
		}
	}
	return false
}
