// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Who may write production is a short list.
func TestOnlyTheProductionSideImportsThisPackage(t *testing.T) {
	allowed := []string{
		"internal/production", "internal/watchdog", "internal/golive", "internal/rollback",
		"controllers/golive_", "controllers/rollback_", "controllers/production", "controllers/setup",
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && (entry.Name() == "hack" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		place, _ := filepath.Rel(root, path)
		for _, imported := range imports(path) {
			if imported != `"github.com/gradus-lms/gradus/internal/production"` {
				continue
			}
			ok := place == "main.go"
			for _, prefix := range allowed {
				ok = ok || strings.HasPrefix(filepath.ToSlash(place), prefix)
			}
			if !ok {
				t.Errorf("%s imports internal/production and must not", place)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// imports of a file; none of one that does not parse, for it builds nothing:
// somebody is writing it.
func imports(path string) (paths []string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return nil
	}
	for _, imported := range file.Imports {
		paths = append(paths, imported.Path.Value)
	}
	return paths
}
