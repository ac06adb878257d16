// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
)

// MaxTask bounds GRADUS_TASK: the kernel refuses a single variable of 128 KiB.
const MaxTask = 120 << 10

// actionName is what may be a part of a fact's or a document's name.
var actionName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`)

// Decode reads GRADUS_TASK strictly: a field that this agent does not know
// means that operator and agent are of different builds, and guessing is unsafe.
func Decode(b []byte) (Task, error) {
	if len(b) > MaxTask {
		return Task{}, fmt.Errorf("decode task: %d bytes, at most %d are allowed", len(b), MaxTask)
	}
	var t Task
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return Task{}, fmt.Errorf("decode task: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Task{}, errors.New("decode task: text after its end")
	}
	if err := t.Validate(); err != nil {
		return Task{}, err
	}
	return t, nil
}

// Validate refuses a task that could only fail half way.
func (t Task) Validate() error {
	if len(t.Actions) == 0 {
		return errors.New("validate task: it has no actions")
	}
	for i, k := range t.Known {
		if _, err := regexp.Compile(k.Match); err != nil {
			return fmt.Errorf("validate task: known[%d].match: %w", i, err)
		}
	}
	return validateActions("actions", t.Actions, map[string]bool{}, 0)
}

func validateActions(at string, actions []Action, seen map[string]bool, depth int) error {
	if depth > 1 {
		return fmt.Errorf("validate task: %s: a recover within a recover", at)
	}
	for i, a := range actions {
		where := fmt.Sprintf("%s[%d]", at, i)
		if !actionName.MatchString(a.Name) {
			return fmt.Errorf("validate task: %s.name %q: use letters, digits, dot, dash and underscore", where, a.Name)
		}
		if seen[a.Name] {
			return fmt.Errorf("validate task: %s.name %q: is there twice", where, a.Name)
		}
		seen[a.Name] = true
		if a.Kind() == "" {
			return fmt.Errorf("validate task: %s (%s): exactly one kind must be set", where, a.Name)
		}
		if err := a.validate(); err != nil {
			return fmt.Errorf("validate task: %s (%s): %w", where, a.Name, err)
		}
		if a.Recover != nil {
			if err := validateActions(where+".recover.actions", a.Recover.Actions, seen, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a Action) validate() error {
	switch {
	case a.Command != nil:
		return a.Command.validate()
	case a.Version != nil:
		return a.Version.validate()
	case a.Plugins != nil:
		return a.Plugins.validate()
	case a.Recover != nil:
		return absolute("recover.dataDir", a.Recover.DataDir)
	case a.HashTree != nil:
		return join(absolute("hashTree.root", a.HashTree.Root), treeKind("hashTree", a.HashTree.Kind, a.HashTree.Algorithm))
	case a.CopyTree != nil:
		return a.CopyTree.validate()
	case a.LinkTree != nil:
		return join(absolute("linkTree.base", a.LinkTree.Base), absolute("linkTree.to", a.LinkTree.To))
	case a.Clear != nil:
		return a.Clear.validate()
	case a.Probe != nil:
		return a.Probe.validate()
	}
	return a.validateDatabase()
}

// validateDatabase looks at the kinds that work on a database alone.
func (a Action) validateDatabase() error {
	switch {
	case a.Query != nil:
		return need("query.sql", a.Query.SQL)
	case a.Execute != nil && len(a.Execute.Statements) == 0:
		return errors.New("execute.statements: is empty")
	case a.Dump != nil:
		return join(absolute("dump.dir", a.Dump.Dir), fileName("dump.name", a.Dump.Name))
	case a.VerifyDump != nil:
		v := a.VerifyDump
		return join(absolute("verifyDump.dir", v.Dir), fileName("verifyDump.name", v.Name),
			absolute("verifyDump.scratchDir", v.ScratchDir))
	case a.Restore != nil:
		r := a.Restore
		return join(absolute("restore.dir", r.Dir), fileName("restore.name", r.Name), need("restore.into", r.Into))
	case a.Rename != nil:
		return a.Rename.validate()
	case a.RotatePassword != nil:
		return join(need("rotatePassword.role", a.RotatePassword.Role),
			absolute("rotatePassword.passwordFile", a.RotatePassword.PasswordFile))
	}
	return nil
}

func (v *Version) validate() error {
	if v.Disk == nil && v.DiskFile == "" && v.Database == nil && v.HTTP == nil {
		return errors.New("version: no place to read it from is named")
	}
	if v.Disk != nil {
		if err := v.Disk.validate(); err != nil {
			return err
		}
		if v.Disk.Capture["version"] == "" {
			return errors.New("version.disk.capture: needs the fact \"version\"")
		}
	}
	if v.Database != nil && v.SQL == "" {
		return errors.New("version.sql: is empty")
	}
	if v.HTTP != nil && v.BaseURL == "" {
		return errors.New("version.baseURL: is empty")
	}
	return expressions("version", map[string]string{
		"diskMatch": v.DiskMatch, "httpMatch": v.HTTPMatch, "normalise": v.Normalise}, false)
}

func (p *Plugins) validate() error {
	if p.Database == nil && p.Command == nil && p.Tree == "" {
		return errors.New("plugins: no place to read them from is named")
	}
	if p.Command != nil {
		if err := join(p.Command.validate(), need("plugins.line", p.Line+p.JSON["name"])); err != nil {
			return err
		}
	}
	if p.Tree != "" {
		if err := join(absolute("plugins.tree", p.Tree), need("plugins.file", p.File)); err != nil {
			return err
		}
	}
	return join(expression("plugins.line", p.Line), expressions("plugins.fields", p.Fields, true))
}

func (r *Rename) validate() error {
	for name, v := range map[string]string{
		"rename.live": r.Live, "rename.replacement": r.Replacement, "rename.replaced": r.Replaced} {
		if err := need(name, v); err != nil {
			return err
		}
		if len(v) > 63 {
			return fmt.Errorf("%s %q: PostgreSQL cuts names after 63 bytes", name, v)
		}
	}
	if r.Live == r.Replacement || r.Live == r.Replaced || r.Replacement == r.Replaced {
		return errors.New("rename: the three names must differ")
	}
	if n := r.Database.Name; n == r.Live || n == r.Replacement || n == r.Replaced {
		return fmt.Errorf("rename.database.name %q: connect to another database, one cannot rename the own", n)
	}
	return nil
}

func (c *CopyTree) validate() error {
	if c.Shards < 0 || c.Shard < 0 || (c.Shards > 0 && c.Shard >= c.Shards) {
		return fmt.Errorf("copyTree.shard %d: must be below shards %d", c.Shard, c.Shards)
	}
	from, to := filepath.Clean(c.From), filepath.Clean(c.To)
	if from == to {
		return errors.New("copyTree.to: is the same as from")
	}
	return join(absolute("copyTree.from", c.From), absolute("copyTree.to", c.To),
		treeKind("copyTree", c.Kind, c.Algorithm))
}

// validate lets nothing be emptied but named directories below the root.
func (c *Clear) validate() error {
	if len(c.Paths) == 0 {
		return errors.New("clear.paths: is empty")
	}
	for i, path := range c.Paths {
		if !filepath.IsLocal(path) || filepath.Clean(path) == "." {
			return fmt.Errorf("clear.paths[%d] %q: must be a directory below the root", i, path)
		}
	}
	return absolute("clear.root", c.Root)
}

func (p *Probe) validate() error {
	if err := need("probe.baseURL", p.BaseURL); err != nil {
		return err
	}
	if len(p.Requests) == 0 {
		return errors.New("probe.requests: is empty")
	}
	for i, r := range p.Requests {
		at := fmt.Sprintf("probe.requests[%d]", i)
		if len(r.Path) == 0 || (r.Path[0] != '/' && r.Path[0] != '{') {
			return fmt.Errorf("%s.path %q: must begin with a slash or a variable", at, r.Path)
		}
		if err := expressions(at+".capture", r.Capture, true); err != nil {
			return err
		}
		for _, m := range append([]string{r.Expect.Title}, r.Expect.Match...) {
			if err := expression(at+".expect", m); err != nil {
				return err
			}
		}
		if err := expressions(at+".expect.header", r.Expect.Header, false); err != nil {
			return err
		}
	}
	return nil
}
