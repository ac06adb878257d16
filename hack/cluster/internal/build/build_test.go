// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// module makes a components folder with one module that compiles.
func module(t *testing.T) Builder {
	t.Helper()
	source := t.TempDir()
	dir := filepath.Join(source, "tool")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "go.mod"), "module example.test/tool\n\ngo 1.26.0\n")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	return Builder{Source: source, Cache: t.TempDir(), Progress: io.Discard}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBuildIsDoneOnce(t *testing.T) {
	b := module(t)
	tool := Component{Name: "tool", Dir: "tool", Packages: []string{"."}}
	folder, err := b.Build(tool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "tool")); err != nil {
		t.Fatal(err)
	}
	// A second build would put the program back.
	if err := os.Remove(filepath.Join(folder, "tool")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Build(tool); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "tool")); err == nil {
		t.Error("built again although nothing changed")
	}
}

func TestFolderFollowsSourcesAndFlags(t *testing.T) {
	b := module(t)
	tool := Component{Name: "tool", Dir: "tool", Packages: []string{"."}}
	folder := func(c Component) string {
		t.Helper()
		path, err := b.Folder(c)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	before := folder(tool)
	if before != folder(tool) {
		t.Error("the folder changes by itself")
	}
	tagged := tool
	tagged.Tags = "other"
	if before == folder(tagged) {
		t.Error("the folder ignores tags")
	}
	write(t, filepath.Join(b.Source, "tool", "main.go"), "package main\n\nfunc main() { println() }\n")
	if before == folder(tool) {
		t.Error("the folder ignores sources")
	}
}

func TestFailedBuildLeavesNoFolder(t *testing.T) {
	b := module(t)
	write(t, filepath.Join(b.Source, "tool", "main.go"), "package main\n\nfunc main() { nonsense }\n")
	tool := Component{Name: "tool", Dir: "tool", Packages: []string{"."}}
	if _, err := b.Build(tool); err == nil {
		t.Fatal("nonsense compiles")
	}
	folder, err := b.Folder(tool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("a failed build looks finished")
	}
}

func TestVersionsAreThoseOfTheModules(t *testing.T) {
	for _, c := range All {
		if c.Version == "" {
			continue
		}
		if _, err := ModuleVersion(filepath.Join("..", "..", "components", c.Dir, "go.mod"), c.Version); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}
