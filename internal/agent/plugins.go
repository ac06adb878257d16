// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/agent/postgres"
	"github.com/gradus-lms/gradus/internal/task"
)

// plugins lists components. What the database knows and the code lacks is
// the trap: products drop its tables without a word.
func (r *runner) plugins(ctx context.Context, spec task.Plugins, p *evidence.Page) error {
	all := map[string]task.Plugin{}
	read := spec.Command != nil || spec.Tree != ""
	if spec.Command != nil {
		l, err := r.command(ctx, *spec.Command, p)
		if err != nil {
			return err
		}
		if err := pluginsPrinted(spec, l.stdout.String(), all); err != nil {
			return err
		}
	}
	if spec.Tree != "" {
		if err := pluginsOnDisk(ctx, spec, all); err != nil {
			return err
		}
	}
	if spec.Database != nil {
		err := postgres.Each(ctx, *spec.Database, spec.SQL, &p.Scrubber, func(_, v []string) error {
			if len(v) < 2 {
				return task.Fail(task.InvalidTask, "the query for plugins must give name and version")
			}
			if _, there := all[v[0]]; !there {
				q := task.Plugin{Name: v[0], Version: v[1]}
				if read {
					q.Status = task.StatusMissing
				}
				all[v[0]] = q
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return tellPlugins(spec, all, p)
}

func tellPlugins(spec task.Plugins, all map[string]task.Plugin, p *evidence.Page) error {
	list := make([]task.Plugin, 0, len(all))
	for _, q := range all {
		list = append(list, q)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	missing := 0
	for _, q := range list {
		if q.Status == task.StatusMissing {
			missing++
			p.Find(task.Warning, task.PluginMissing, q.Name, "the plugin %s is in the database and not in the code", q.Name)
		}
	}
	p.Fact("count", strconv.Itoa(len(list)))
	p.Fact("missing", strconv.Itoa(missing))
	b, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode plugins: %w", err)
	}
	if err := p.Document(task.PluginsDocument, b); err != nil {
		return err
	}
	for _, name := range spec.Require {
		if q, ok := all[name]; !ok || q.Status == task.StatusMissing {
			p.Find(task.Blocking, task.PluginMissing, name, "the plugin %s is not there", name)
		}
	}
	if p.Blocked > 0 {
		return task.Fail(p.First.Code, "%s", p.First.Message)
	}
	return nil
}

// pluginsPrinted reads a command's output, JSON or lines.
func pluginsPrinted(spec task.Plugins, out string, into map[string]task.Plugin) error {
	if len(spec.JSON) == 0 {
		re, err := compile(spec.Line)
		if err != nil {
			return err
		}
		for _, line := range strings.Split(out, "\n") {
			m := re.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			fields := map[string]string{}
			for i, n := range re.SubexpNames() {
				fields[n] = m[i]
			}
			add(into, fields)
		}
		return nil
	}
	var list []map[string]any
	d := json.NewDecoder(strings.NewReader(out))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return task.FailBecause(err, task.CommandFailed, "the list of plugins is not JSON")
	}
	for _, o := range list {
		fields := map[string]string{}
		for field, key := range spec.JSON {
			fields[field], _ = scalar(o[key])
		}
		add(into, fields)
	}
	return nil
}

// add makes a plugin of fields; one without a name is a line that was none (Moodle prints such).
func add(into map[string]task.Plugin, f map[string]string) {
	if f["name"] == "" {
		return
	}
	q := task.Plugin{Name: f["name"], Version: f["version"], Release: f["release"], Requires: f["requires"],
		Incompatible: f["incompatible"], Source: f["source"], Status: f["status"]}
	for _, m := range pair.FindAllStringSubmatch(f["dependencies"], -1) {
		if q.Dependencies == nil {
			q.Dependencies = map[string]string{}
		}
		v := m[2]
		if v == "ANY_VERSION" {
			v = ""
		}
		q.Dependencies[m[1]] = v
	}
	into[q.Name] = q
}

// pair is one dependency: 'mod_quiz' => 2023100900.
var pair = regexp.MustCompile(`['"]([a-z0-9_]+)['"]\s*=>\s*([A-Z_]+|[0-9.]+)`)

func pluginsOnDisk(ctx context.Context, spec task.Plugins, into map[string]task.Plugin) error {
	fields, err := compileAll(spec.Fields)
	if err != nil {
		return err
	}
	core, err := coreNames(spec)
	if err != nil {
		return err
	}
	return filepath.WalkDir(spec.Tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		rel, err := filepath.Rel(spec.Tree, path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if d.IsDir() && slices.Contains(spec.Ignore, rel) {
			return fs.SkipDir
		}
		if d.Name() != spec.File || !d.Type().IsRegular() {
			return ctx.Err()
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		f := fieldsOf(b, fields)
		if core != nil {
			f["source"] = "Site"
			if core[f["name"]] {
				f["source"] = "Core"
			}
		}
		add(into, f)
		return nil
	})
}

func compileAll(exprs map[string]string) (map[string]*regexp.Regexp, error) {
	out := map[string]*regexp.Regexp{}
	for k, expr := range exprs {
		re, err := compile(expr)
		if err != nil {
			return nil, err
		}
		out[k] = re
	}
	return out, nil
}

// fieldsOf reads the fields of a plugin out of its file.
func fieldsOf(file []byte, fields map[string]*regexp.Regexp) map[string]string {
	file = comments.ReplaceAll(file, nil)
	f := map[string]string{}
	for k, re := range fields {
		if m := re.FindSubmatch(file); m != nil {
			f[k] = string(bytes.TrimSpace(m[1]))
		}
	}
	return f
}

// comments of C-like languages; a version in a comment is none.
var comments = regexp.MustCompile(`(?s)/\*.*?\*/|(?m)(?:^|\s)//[^\n]*`)

func coreNames(spec task.Plugins) (map[string]bool, error) {
	if spec.CoreFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(spec.Tree, spec.CoreFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // older releases have none; who ships what is then not known
	}
	if err != nil {
		return nil, fmt.Errorf("read list of core plugins: %w", err)
	}
	var doc map[string]map[string][]string
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("read list of core plugins: %w", err)
	}
	out := map[string]bool{}
	for kind, names := range doc[spec.CoreKey] {
		for _, n := range names {
			out[kind+"_"+n] = true
		}
	}
	return out, nil
}
