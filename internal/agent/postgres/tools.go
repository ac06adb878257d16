// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/gradus-lms/gradus/internal/task"
)

// homes are where images keep the server's programs.
var homes = []string{"/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/local/pgsql/bin",
	"/opt/bitnami/postgresql/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/bin"}

var majorOf = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// findTools gives the path of a program of PostgreSQL; with major of that version only.
func findTools(dir, program string, major int) (string, error) {
	var candidates []string
	if dir != "" {
		candidates = []string{filepath.Join(dir, program)}
	} else {
		for _, h := range homes {
			found, _ := filepath.Glob(filepath.Join(h, program))
			// The newest first: its tools understand all older servers.
			sort.SliceStable(found, func(i, j int) bool { return pathMajor(found[i]) > pathMajor(found[j]) })
			candidates = append(candidates, found...)
		}
		// PATH comes last: Debian has a wrapper there that wants to know of a cluster.
		if p, err := exec.LookPath(program); err == nil {
			candidates = append(candidates, p)
		}
	}
	seen := []string{}
	for _, c := range candidates {
		fi, err := os.Stat(c)
		if err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 {
			continue
		}
		if major == 0 || programMajor(c) == major {
			return c, nil
		}
		seen = append(seen, strconv.Itoa(programMajor(c)))
	}
	if len(seen) > 0 {
		return "", task.Fail(
			"ServerVersionUnfit",
			"the image has PostgreSQL %s and the data needs %d",
			strings.Join(seen, ", "),
			major,
		)
	}
	return "", task.Fail("ProgramMissing", "the image has no %s; use the image of the database server", program)
}

var number = regexp.MustCompile(`\d+`)

// pathMajor is the first number in a path such as /usr/lib/postgresql/15/bin.
func pathMajor(path string) int {
	n, _ := strconv.Atoi(number.FindString(path))
	return n
}

func programMajor(path string) int {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return 0
	}
	m := majorOf.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// dataMajor is the version of the server that wrote a data directory.
func dataMajor(dir string) (int, error) {
	b, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0, task.FailBecause(err, task.RecoverFailed, "%s is not the data directory of a PostgreSQL server", dir)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("read version of data directory: %w", err)
	}
	return n, nil
}
