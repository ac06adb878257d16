// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// writers finds the functions of the operator that ask the API server to write:
// those that call Create, Update, Patch or Delete with ctx.
func writers(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, root := range []string{"controllers", "internal"} {
		err := filepath.WalkDir(filepath.Join("../..", root), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			pkg, err := filepath.Rel("../..", filepath.Dir(path))
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && writes(f) {
					out = append(out, filepath.ToSlash(pkg)+"."+nameOf(f))
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

func writes(f *ast.FuncDecl) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) < 2 {
			return true
		}
		to, ok := call.Fun.(*ast.SelectorExpr)
		first, isName := call.Args[0].(*ast.Ident)
		found = found || ok && isName && first.Name == "ctx" &&
			slices.Contains([]string{"Create", "Update", "Patch", "Delete"}, to.Sel.Name)
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

// inner are closures and type arguments in the runtime's names.
var inner = regexp.MustCompile(`\.func\d.*$|\[\.\.\.\]`)

func plain(name string) string { return inner.ReplaceAllString(name, "") }

// covered fails for every function that writes and that no scenario comes to,
// and, when every write was crashed, for those that no plan crashed.
func covered(t *testing.T, written, crashed map[string]bool, all bool) {
	t.Helper()
	for _, name := range writers(t) {
		switch {
		case elsewhere[name] != "":
			if written[name] {
				t.Errorf("%s is said to be out of reach, and a scenario comes to it", name)
			}
		case !written[name]:
			t.Errorf("%s writes, and no scenario comes to it", name)
		case all && !crashed[name]:
			t.Errorf("%s writes, and no plan crashed it", name)
		}
	}
}

// elsewhere are functions that write and that no scenario can come to, and why.
var elsewhere = map[string]string{
	"internal/status.Settler.tellRefused": "a status that the API refuses is a mistake of ours; stories in internal/status",
	"internal/watchdog.events.Tell":       "the world hears the watchdog itself; its Events are told in internal/watchdog",
}
