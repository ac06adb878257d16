// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/gradus-lms/gradus/internal/task"
)

// CheckPlugins compares the plugins of the live site with those of the target
// image. A plugin that is missing from the target blocks, since products drop
// its tables without a word; dropped names those whose loss was decided.
func (p Profile) CheckPlugins(to string, live, target []task.Plugin, dropped []string) []Objection {
	there := map[string]task.Plugin{}
	for _, t := range target {
		if t.Status != task.StatusMissing && t.Status != "delete" {
			there[t.Name] = t
		}
	}
	var out []Objection
	for _, l := range live {
		t, ok := there[l.Name]
		switch {
		case ok:
			if t.Version != "" && l.Version != "" && Compare(t.Version, l.Version) < 0 {
				out = append(
					out,
					object("PluginDowngrade", l.Name, "the plugin %s has %s on the site and only %s in the image of %s",
						l.Name, l.Version, t.Version, to),
				)
			}
		case slices.Contains(dropped, l.Name):
		case l.Status == task.StatusMissing:
			out = append(out, Objection{task.Warning, "PluginMissingBefore", l.Name,
				"the plugin " + l.Name + " is in the database and in no code, before the upgrade already"})
		default:
			out = append(out, p.gone(l.Name, to))
		}
	}
	for _, t := range there {
		out = append(out, p.unmet(to, t, there)...)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Component < out[j].Component })
	return out
}

// gone tells a plugin that was forgotten from one that left the product.
func (p Profile) gone(name, to string) Objection {
	for _, r := range p.Releases {
		if Compare(r.Version, to) > 0 {
			break
		}
		for _, x := range r.Removes {
			if x.Plugin != name {
				continue
			}
			tables := ""
			if len(x.Tables) > 0 {
				tables = " and the upgrade drops its tables (" + strings.Join(x.Tables, ", ") + ")"
			}
			note := "add it to the image as a plugin, or name it in dropPlugins"
			if x.Note != "" {
				note = x.Note
			}
			return object("PluginRemoved", name, "%s took %s out of the product%s: %s", r.Version, name, tables, note)
		}
	}
	return object(
		"PluginMissing",
		name,
		"the plugin %s is on the site and not in the image of %s: its data would be lost; "+
			"add it to the image, or name it in dropPlugins",
		name,
		to,
	)
}

// unmet are the wishes of a plugin that the target does not fulfil.
func (p Profile) unmet(to string, t task.Plugin, there map[string]task.Plugin) []Objection {
	var out []Objection
	if have := p.number(p.Plugins.Requires, to); t.Requires != "" && have != "" && Compare(have, t.Requires) < 0 {
		out = append(out, object("PluginRequires", t.Name, "the plugin %s needs %s %s or newer, and the target is %s",
			t.Name, p.Title, t.Requires, have))
	}
	if have := p.number(p.Plugins.Incompatible, to); t.Incompatible != "" && t.Incompatible != "0" && have != "" &&
		Compare(have, t.Incompatible) >= 0 {
		out = append(out, object("PluginIncompatible", t.Name, "the plugin %s refuses %s %s and newer, and the target is %s",
			t.Name, p.Title, t.Incompatible, have))
	}
	for name, least := range t.Dependencies {
		d, ok := there[name]
		switch {
		case !ok:
			out = append(
				out,
				object("PluginDependency", t.Name, "the plugin %s needs the plugin %s, which is not in the image", t.Name, name),
			)
		case least != "" && Compare(d.Version, least) < 0:
			out = append(out, object("PluginDependency", t.Name, "the plugin %s needs %s %s or newer, and the image has %s",
				t.Name, name, least, d.Version))
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Message < out[j].Message })
	return out
}

// number is the target in the numbering that a plugin's field uses; "" when the table does not tell.
func (p Profile) number(kind, version string) string {
	r, ok := p.Release(version)
	switch kind {
	case ByRelease:
		return Short(version)
	case ByBranch:
		return r.Branch
	case ByBuild:
		if !ok || !p.Versions.PointInBuild {
			return r.Build
		}
		nv, _ := split(version)
		nr, _ := split(r.Version)
		base, err := strconv.ParseUint(r.Build, 10, 64)
		if err != nil {
			return r.Build
		}
		return strconv.FormatUint(base+at(nv, len(nr)), 10)
	}
	return ""
}
