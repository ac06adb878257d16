// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/internal/task"
)

var (
	profileName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	prefixForm  = regexp.MustCompile(`^[a-z0-9_]{0,16}$`)
	holder      = regexp.MustCompile(`\{\{([^{}]*)\}\}`)
	dateForm    = regexp.MustCompile(`^\d{4}-\d{2}(-\d{2})?$`)
)

// Validate reports all that is wrong, each naming its field.
func (p Profile) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	if p.Format != Format {
		bad("format", "is %q, want %q", p.Format, Format)
	}
	if !profileName.MatchString(p.Name) {
		bad("name", "%q is not a name", p.Name)
	}
	if !prefixForm.MatchString(p.TablePrefix) {
		bad("tablePrefix", "%q: use lower case letters, digits and underscore", p.TablePrefix)
	}
	if _, err := regexp.Compile(p.Versions.Normalise); err != nil {
		bad("versions.normalise", "%v", err)
	}
	for _, part := range []func(func(string, string, ...any)){
		p.validatePlugins, p.validateReleases, p.validatePaths, p.validateVerbs, p.validateQueries, p.validateFailures,
	} {
		part(bad)
	}
	if len(p.Smoke) > 0 {
		check := task.Action{Name: "smoke", Probe: &task.Probe{BaseURL: "http://x", Requests: p.Smoke}}
		if err := (task.Task{Actions: []task.Action{check}}).Validate(); err != nil {
			bad("smoke", "%v", err)
		}
	}
	return errors.Join(errs...)
}

func (p Profile) validatePlugins(bad func(string, string, ...any)) {
	for field, v := range map[string]string{
		"plugins.requires": p.Plugins.Requires, "plugins.incompatible": p.Plugins.Incompatible,
	} {
		if !slices.Contains([]string{"", ByRelease, ByBuild, ByBranch}, v) {
			bad(field, "unknown kind %q", v)
		}
	}
}

func (p Profile) validateFailures(bad func(string, string, ...any)) {
	for i, k := range p.Failures {
		if _, err := regexp.Compile(k.Match); err != nil || k.Reason == "" || k.Message == "" {
			bad(fmt.Sprintf("failures[%d]", i), "needs reason, message and a valid match (%v)", err)
		}
	}
}

func (p Profile) validateReleases(bad func(string, string, ...any)) {
	last := ""
	for i, r := range p.Releases {
		at := fmt.Sprintf("releases[%d]", i)
		if r.Version == "" || (last != "" && Compare(r.Version, last) <= 0) {
			bad(at+".version", "%q does not come after %q", r.Version, last)
		}
		last = r.Version
		if r.Requires != "" && Compare(r.Requires, r.Version) >= 0 {
			bad(at+".requires", "%q is not older than %q", r.Requires, r.Version)
		}
		for field, d := range map[string]string{".supportEnd": r.SupportEnd, ".securityEnd": r.SecurityEnd} {
			if d != "" && !dateForm.MatchString(d) {
				bad(at+field, "%q is not a date", d)
			}
		}
	}
}

func (p Profile) validatePaths(bad func(string, string, ...any)) {
	all := slices.Concat(p.Paths.Small, p.Paths.State, p.Paths.Skip, p.Resume.ClearPaths)
	for i, a := range p.Paths.AppendOnly {
		all = append(all, a.Path)
		if a.Algorithm != task.SHA1 && a.Algorithm != task.SHA256 {
			bad(fmt.Sprintf("paths.appendOnly[%d].algorithm", i), "unknown algorithm %q", a.Algorithm)
		}
	}
	for _, path := range all {
		if !filepath.IsLocal(path) {
			bad("paths", "%q is not a path below the data root", path)
		}
	}
}

func (p Profile) validateVerbs(bad func(string, string, ...any)) {
	for _, v := range verbs {
		verb, ok := p.Verbs[v]
		at := "verbs." + string(v)
		switch {
		case !ok:
			bad(at, "is missing; give actions, builtin, or none with the reason")
			continue
		case verb.ways() != 1:
			bad(at, "needs exactly one of actions, builtin and none")
			continue
		case verb.None != "" || verb.Builtin:
			continue
		case !slices.Contains([]Image{CurrentImage, TargetImage, DatabaseImage, AgentImage}, verb.Image):
			bad(at+".image", "unknown image %q", verb.Image)
		}
		for field, list := range map[string][]task.Action{".actions": verb.Actions, ".undo": verb.Undo} {
			if err := checkActions(list); err != nil {
				bad(at+field, "%v", err)
			}
		}
	}
	for v := range p.Verbs {
		if !slices.Contains(verbs, v) {
			bad("verbs."+string(v), "unknown verb")
		}
	}
}

// checkActions fills a list with an example: what the agent would refuse is refused here.
func checkActions(list []task.Action) error {
	if len(list) == 0 {
		return nil
	}
	if err := checkHolders(list); err != nil {
		return err
	}
	example, err := fill(list, exampleParams())
	if err != nil {
		return err
	}
	return task.Task{Actions: example}.Validate()
}

// ways counts how the verb says that it is done.
func (v Verb) ways() int {
	n := 0
	for _, is := range []bool{len(v.Actions) > 0, v.Builtin, v.None != ""} {
		if is {
			n++
		}
	}
	return n
}

// checkHolders finds placeholders outside the closed list, and values in SQL,
// where only the prefix (letters, digits, underscore) may be put in.
func checkHolders(actions []task.Action) error {
	b, err := json.Marshal(actions)
	if err != nil {
		return err
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		return err
	}
	return eachText("", tree, func(key, s string) error {
		for _, m := range holder.FindAllStringSubmatch(s, -1) {
			if !placeholders[m[1]] {
				return fmt.Errorf("unknown placeholder %s", m[0])
			}
			if key == "sql" && m[1] != "prefix" {
				return fmt.Errorf("%s in SQL: use an argument", m[0])
			}
		}
		return nil
	})
}

func eachText(key string, v any, f func(key, s string) error) error {
	switch t := v.(type) {
	case string:
		return f(key, t)
	case []any:
		for _, e := range t {
			if err := eachText(key, e, f); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range t {
			if err := eachText(k, e, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p Profile) validateQueries(bad func(string, string, ...any)) {
	queries := map[string]string{
		"truth.version":  p.Truth.Version,
		"truth.build":    p.Truth.Build,
		"truth.lock":     p.Truth.Lock,
		"truth.upgrades": p.Truth.Upgrades,
		"truth.plugins":  p.Truth.Plugins,
		"truth.blobs":    p.Truth.Blobs,
		"truth.users":    p.Truth.Users,
		"truth.tasks":    p.Truth.Tasks,
	}
	for k, q := range p.Integrity.Equal {
		queries["integrity.equal."+k] = q
	}
	for k, q := range p.Integrity.Orphans {
		queries["integrity.orphans."+k] = q
	}
	for field, q := range queries {
		for _, m := range holder.FindAllStringSubmatch(q, -1) {
			if m[1] != "prefix" {
				bad(field, "unknown placeholder %s", m[0])
			}
		}
		if strings.Contains(q, ";") {
			bad(field, "give one statement")
		}
	}
}
