// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

// ErrNoVersion means that a component's go.mod does not require the module
// whose version the component should carry: repair the go.mod.
var ErrNoVersion = errors.New("module is not required")

// Builder builds components from Source into Cache and tells Progress.
type Builder struct {
	Source   string // the components folder
	Cache    string
	Progress io.Writer
}

// Build returns the folder with the component's programs, building them when
// no folder for exactly these sources and flags is there.
func (b Builder) Build(c Component) (string, error) {
	folder, err := b.Folder(c)
	if err != nil {
		return "", err
	}
	if isDir(folder) {
		return folder, nil
	}
	unlock, err := b.lock(c)
	if err != nil {
		return "", err
	}
	defer unlock()
	if isDir(folder) {
		return folder, nil
	}
	fmt.Fprintf(b.Progress, "build %-15s usually %s cold on two cores ...", c.Name, c.Usual)
	start := time.Now()
	if err := b.compile(c, folder); err != nil {
		fmt.Fprintln(b.Progress)
		return "", err
	}
	fmt.Fprintf(b.Progress, " %.1fs\n", time.Since(start).Seconds())
	return folder, nil
}

// Folder names the place of the component's programs: a hash over Go's
// version, the flags and every file of the module. It starts no program, so
// that asking costs nothing.
func (b Builder) Folder(c Component) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.Version(), runtime.GOARCH, c.Packages, c.Tags, c.Version, c.Variables)
	dir := filepath.Join(b.Source, c.Dir)
	files, err := sources(dir)
	if err != nil {
		return "", err
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("read source %s: %w", name, err)
		}
		fmt.Fprintf(hash, "%s %d\n", name, len(data))
		hash.Write(data)
	}
	return filepath.Join(b.Cache, "bin", c.Name+"-"+hex.EncodeToString(hash.Sum(nil))[:12]), nil
}

func sources(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sources of %s: %w", dir, err)
	}
	sort.Strings(names)
	return names, nil
}

// compile builds into a folder beside the final one and renames it: a build
// that was killed leaves nothing that looks finished.
func (b Builder) compile(c Component, folder string) error {
	ldflags, err := b.ldflags(c)
	if err != nil {
		return err
	}
	partial := folder + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("remove folder %s: %w", partial, err)
	}
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return fmt.Errorf("create folder %s: %w", partial, err)
	}
	output := partial + "/"
	if len(c.Packages) == 1 {
		output += c.Name
	}
	args := []string{"-n", "5", "go", "build", "-trimpath", "-tags", c.Tags, "-ldflags", ldflags, "-o", output}
	command := exec.Command("nice", append(args, c.Packages...)...)
	command.Dir = filepath.Join(b.Source, c.Dir)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build component %s: %w\n%s", c.Name, err, out)
	}
	if err := os.Rename(partial, folder); err != nil {
		return fmt.Errorf("rename folder %s: %w", partial, err)
	}
	return nil
}

func (b Builder) ldflags(c Component) (string, error) {
	flags := "-s -w"
	if c.Version == "" {
		return flags, nil
	}
	version, err := ModuleVersion(filepath.Join(b.Source, c.Dir, "go.mod"), c.Version)
	if err != nil {
		return "", err
	}
	parts := append(strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3), "", "")
	replacer := strings.NewReplacer("$VERSION", version, "$MAJOR", parts[0], "$MINOR", parts[1])
	for _, variable := range c.Variables {
		flags += " -X " + replacer.Replace(variable)
	}
	return flags, nil
}

// ModuleVersion reads from a go.mod which version of a module is required.
func ModuleVersion(gomod, module string) (string, error) {
	data, err := os.ReadFile(gomod)
	if err != nil {
		return "", fmt.Errorf("read go.mod: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("find version of %s in %s: %w", module, gomod, ErrNoVersion)
}

// lock keeps two runs of the program from building one component twice.
func (b Builder) lock(c Component) (func(), error) {
	if err := os.MkdirAll(filepath.Join(b.Cache, "bin"), 0o755); err != nil {
		return nil, fmt.Errorf("create folder of binaries: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(b.Cache, "bin", "."+c.Name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", file.Name(), err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
