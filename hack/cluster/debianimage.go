// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/hack/cluster/internal/oci"
)

func imageDebian(l Layout, args []string) error {
	var name, out, packages, user string
	var rootfs bool
	var env list
	flags := flag.NewFlagSet("image debian", flag.ContinueOnError)
	flags.StringVar(&name, "name", "", "name and tag, for example localhost/postgres:15")
	flags.StringVar(&out, "out", "", "tar to write")
	flags.StringVar(&packages, "packages", "", "Debian packages, with commas between")
	flags.StringVar(&user, "user", "999", "user id; a user of that number is in the image before the packages are")
	flags.Var(&env, "env", "NAME=VALUE; may be repeated")
	flags.BoolVar(&rootfs, "rootfs", false,
		"write no image; print the path of the root file system's tar, for `image binary --base`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if packages == "" || (!rootfs && (name == "" || out == "")) {
		return errors.New("image debian: --name, --out and --packages are needed")
	}
	if err := ensurePackages(imagePackages); err != nil {
		return err
	}
	names := append(strings.Split(packages, ","), "ca-certificates")
	slices.Sort(names)
	base, err := debianRoot(l, slices.Compact(names), user)
	if err != nil {
		return err
	}
	if rootfs {
		fmt.Println(base)
		return nil
	}
	path, err := pathOf(base)
	if err != nil {
		return err
	}
	// No entrypoint: people name the command.
	i := oci.Image{Name: name, Layers: []string{base}, Env: append([]string{path, "LANG=C.UTF-8"}, env...), User: user}
	return i.Write(out)
}

// debianRoot makes a root file system, once for each list of packages.
func debianRoot(l Layout, packages []string, user string) (string, error) {
	suite, err := debianSuite()
	if err != nil {
		return "", err
	}
	parts := []string{suite, strings.Join(packages, ","), user, strings.Join(hooks("", ""), "\n")}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	root := filepath.Join(l.Cache, "rootfs", hex.EncodeToString(sum[:])[:12]+".tar")
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", fmt.Errorf("create folder of root file systems: %w", err)
	}
	fmt.Fprintf(os.Stderr, "make Debian %s with %s; usually 80s\n", suite, strings.Join(packages, " "))
	args := []string{
		"--mode=root", "--variant=essential", "--format=tar", "--quiet", "--include=" + strings.Join(packages, ","),
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-confold",
	}
	args = append(args, hooks(user, userName(packages))...)
	if err := mmdebstrap(append(append(args, suite, "-"), aptSources()...), root+".partial"); err != nil {
		return "", err
	}
	if err := os.Rename(root+".partial", root); err != nil {
		return "", fmt.Errorf("rename root file system: %w", err)
	}
	return root, nil
}

// mmdebstrap writes to a pipe, for it may return before a file is complete.
func mmdebstrap(args []string, out string) error {
	file, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("create root file system: %w", err)
	}
	defer file.Close()
	var complaints strings.Builder
	command := exec.Command("mmdebstrap", args...)
	command.Env = append(os.Environ(), systemPath, "SOURCE_DATE_EPOCH=1")
	// Not the file itself: then Run waits until the last writer closed.
	command.Stdout, command.Stderr = struct{ io.Writer }{file}, &complaints
	if err := command.Run(); err != nil {
		return fmt.Errorf("mmdebstrap: %w\n%s", err, complaints.String())
	}
	return file.Close()
}

// hooks make the user first, so that Debian's scripts keep its number; keep
// PostgreSQL from making a database of its own; take away setuid, which pods of
// the restricted level must not rely on; and make the folders of sockets, which
// Debian makes at boot.
func hooks(user, name string) []string {
	addUser := ""
	if user != "0" {
		addUser = fmt.Sprintf(`echo %[2]s:x:%[1]s:%[1]s::/tmp:/bin/sh >> "$1/etc/passwd"; `+
			`echo %[2]s:x:%[1]s: >> "$1/etc/group"; `+
			`echo '%[2]s:*:19000:0:99999:7:::' >> "$1/etc/shadow"; `, user, name)
	}
	return []string{
		"--essential-hook=" + addUser + `mkdir -p "$1/etc/postgresql-common"; ` +
			`echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"`,
		`--customize-hook=find "$1" -xdev -type f -perm /6000 -exec chmod ug-s {} +`,
		`--customize-hook=rm -rf "$1/var/cache/apt" "$1/var/lib/apt/lists" "$1/var/log/"*.log "$1/var/log/apt"`,
		`--customize-hook=chmod 1777 "$1/tmp"; rm -f "$1/etc/resolv.conf" "$1/etc/hostname"; ` +
			`for name in postgresql mysqld; do mkdir -p "$1/run/$name"; chmod 1777 "$1/run/$name"; done`,
	}
}

// userName is the name that the packages' own scripts would choose.
func userName(packages []string) string {
	for _, name := range packages {
		switch {
		case strings.HasPrefix(name, "postgresql"):
			return "postgres"
		case strings.HasPrefix(name, "mariadb"), strings.HasPrefix(name, "mysql"):
			return "mysql"
		}
	}
	return "app"
}

func debianSuite() (string, error) {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", fmt.Errorf("read release: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if suite, found := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); found {
			return suite, nil
		}
	}
	return "", errors.New("read release: /etc/os-release names no suite; Debian is needed")
}

// aptSources are the host's own lists, so that its mirror is used.
func aptSources() []string {
	var found []string
	for _, name := range []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"} {
		if _, err := os.Stat(name); err == nil {
			found = append(found, name)
		}
	}
	return found
}

// pathOf is the PATH for a root file system: Debian keeps PostgreSQL's
// programs in a folder of their own.
func pathOf(rootfs string) (string, error) {
	file, err := os.Open(rootfs)
	if err != nil {
		return "", fmt.Errorf("open root file system: %w", err)
	}
	defer file.Close()
	path := plainPath
	for reader := tar.NewReader(file); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return path, nil
		}
		if err != nil {
			return "", fmt.Errorf("read root file system: %w", err)
		}
		name := strings.Trim(strings.TrimPrefix(header.Name, "."), "/")
		if ok, _ := filepath.Match("usr/lib/postgresql/*/bin", name); ok {
			path += ":/" + name
		}
	}
}
