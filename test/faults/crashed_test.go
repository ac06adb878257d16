// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writer is a place of the operator's code that asks the API server to write.
type writer struct{ function, at string }

// writers finds all: calls of Create, Update, Patch or Delete with ctx.
func writers(t *testing.T) []writer {
	t.Helper()
	var out []writer
	for _, root := range []string{"controllers", "internal"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			from, err := filepath.Rel("../..", path)
			from = filepath.ToSlash(from)
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				for _, write := range writes(f) {
					line := files.Position(write).Line
					out = append(out, writer{filepath.ToSlash(filepath.Dir(from)) + "." + nameOf(f), fmt.Sprintf("%s:%d", from, line)})
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func writes(f *ast.FuncDecl) []token.Pos {
	var found []token.Pos
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		to, ok := call.Fun.(*ast.SelectorExpr)
		first, isName := call.Args[0].(*ast.Ident)
		if ok && isName && first.Name == "ctx" && slices.Contains([]string{"Create", "Update", "Patch", "Delete"}, to.Sel.Name) {
			found = append(found, to.Sel.Pos())
		}
		return true
	})
	return found
}

// nameOf gives a function as the runtime names it.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	switch on := f.Recv.List[0].Type.(type) {
	case *ast.StarExpr:
		if name, ok := on.X.(*ast.Ident); ok {
			return "(*" + name.Name + ")." + f.Name.Name
		}
	case *ast.Ident:
		return on.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

// covered fails for every place that writes and that no scenario comes to,
// and, when every write was crashed, for those that no plan crashed.
func covered(t *testing.T, written, crashed map[string]bool, all bool) {
	t.Helper()
	for _, w := range writers(t) {
		switch {
		case elsewhere[w.function] != "":
			if written[w.at] {
				t.Errorf("%s: %s is said to be out of reach, and a scenario comes to it", w.at, w.function)
			}
		case !written[w.at]:
			t.Errorf("%s: %s writes, and no scenario comes to it", w.at, w.function)
		case all && !crashed[w.at]:
			t.Errorf("%s: %s writes, and no plan crashed it", w.at, w.function)
		}
	}
}

// elsewhere are functions that write and that no scenario can come to, and why.
var elsewhere = map[string]string{
	"internal/status.Settler.tellRefused": "a status that the API refuses is a mistake of ours; stories in internal/status",
	"internal/watchdog.events.Tell":       "the world hears the watchdog itself; its Events are told in internal/watchdog",
}
