// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/agent/postgres"
	"github.com/gradus-lms/gradus/internal/agent/probe"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

// version reads the version wherever it can be read and compares. One place
// alone proves nothing: after a kill the database names the new version already.
func (r *runner) version(ctx context.Context, spec task.Version, p *evidence.Page) error {
	seen := map[string]string{}
	note := func(place string, v string, err error) error {
		if err != nil {
			return err
		}
		v = strings.TrimSpace(v)
		if v == "" {
			return task.Fail(task.VersionUnknown, "the version cannot be read (%s)", place)
		}
		p.Fact(place, message.Clip(v, 64)) // what a status takes
		seen[place] = normal(spec.Normalise, v)
		return nil
	}
	if spec.Disk != nil {
		l, err := r.command(ctx, *spec.Disk, p)
		if err == nil {
			err = note("disk", l.captured["version"], nil)
		}
		if err != nil {
			return err
		}
	}
	if spec.DiskFile != "" {
		v, err := fileValue(spec.DiskFile, spec.DiskMatch)
		if err := note("disk", v, err); err != nil {
			return err
		}
	}
	if spec.Database != nil {
		v, err := postgres.Value(ctx, *spec.Database, spec.SQL, &p.Scrubber)
		if err := note("database", v, err); err != nil {
			return err
		}
	}
	if spec.HTTP != nil {
		v, err := probe.Value(ctx, task.Probe{BaseURL: spec.BaseURL}, *spec.HTTP, spec.HTTPMatch, p)
		if err := note("http", v, err); err != nil {
			return err
		}
	}
	return compareVersions(spec, seen, p)
}

func compareVersions(spec task.Version, seen map[string]string, p *evidence.Page) error {
	severity := task.Blocking
	if spec.MayDiffer {
		severity = task.Warning
	}
	places := make([]string, 0, len(seen))
	for k := range seen {
		places = append(places, k)
	}
	sort.Strings(places)
	want := normal(spec.Normalise, spec.Want)
	for _, place := range places {
		switch {
		case want != "" && seen[place] != want:
			p.Find(severity, task.VersionsDiffer, place, "the version is %s by %s, and should be %s", seen[place], place, want)
		case want == "" && seen[place] != seen[places[0]]:
			p.Find(severity, task.VersionsDiffer, place, "the version is %s by %s, but %s by %s",
				seen[place], place, seen[places[0]], places[0])
		}
	}
	if p.Blocked > 0 {
		return task.Fail(p.First.Code, "%s", p.First.Message)
	}
	return nil
}

func normal(expr, v string) string {
	if expr == "" || v == "" {
		return v
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return v
	}
	if m := re.FindStringSubmatch(v); len(m) > 1 {
		return m[1]
	}
	return v
}

// fileValue reads a value out of a file of code, which is never run for it.
func fileValue(path, expr string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", task.FailBecause(err, task.VersionUnknown, "read the version")
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return "", task.FailBecause(err, task.VersionUnknown, "read the version")
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return "", task.FailBecause(err, task.InvalidTask, "compile %q", expr)
	}
	m := re.FindSubmatch(b)
	if len(m) < 2 {
		return "", task.Fail(task.VersionUnknown, "%s does not tell the version", path)
	}
	return string(m[1]), nil
}
