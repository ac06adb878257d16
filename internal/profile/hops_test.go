// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/internal/task"
)

func load(t testing.TB, name string) Profile {
	t.Helper()
	p, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want int
	}{
		"numbers are numbers":             {"4.5.10", "4.5.6", 1},
		"missing numbers are zero":        {"1.0", "1", 0},
		"a release with its build":        {"4.5.6 (Build: 20250811)", "4.5.6", 0},
		"a weekly build":                  {"4.5.6+ (Build: 20250818)", "4.5.6", 0},
		"a development build comes first": {"5.1dev (Build: 1)", "5.1", -1},
		"a candidate comes first":         {"5.1rc2", "5.1", -1},
		"another major":                   {"5.0", "4.5.10", 1},
		"builds":                          {"2024100706", "2024100700", 1},
		"builds with a dot":               {"2024100700.06", "2024100700", 1},
		"nothing is before all":           {"", "0.1", -1},
		"a text is before all":            {"unknown", "0.1", -1},
		"a v in front":                    {"v2.0", "2.0", 0},
		"too long to be a number":         {"99999999999999999999999", "1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Compare(c.a, c.b); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
			if got := Compare(c.b, c.a); got != -c.want {
				t.Errorf("the other way round %d, want %d", got, -c.want)
			}
		})
	}
}

func TestSolveHops(t *testing.T) {
	for name, c := range map[string]struct {
		profile, from, to string
		have              []string
		want              string // stops
		objects           string // reason
		says              string
	}{
		"campus in one hop":                  {"campus", "1.0", "2.0", nil, "2.0", "", ""},
		"campus with a stop":                 {"campus", "1.0", "3.0", []string{"2.0"}, "2.0 3.0", "", ""},
		"campus with two, the newer is used": {"campus", "1.0", "3.0", []string{"1.5", "2.0", "3.0"}, "2.0 3.0", "", ""},
		"campus without the stop":            {"campus", "1.0", "3.0", []string{"3.0"}, "", "StopMissing", "3.0 can be reached from 1.5 or later, and the site has 1.0: give an image of 1.5 or 2.0"},
		"there already":                      {"campus", "2.0", "2.0", nil, "", "", ""},
		"down": {"campus", "2.0", "1.5", nil, "", "Downgrade",
			"spec.target.version: 1.5 is older than 2.0, which the site has, and there is no way down but a backup; name a newer version"},
		"a point release":             {"moodle", "4.5.4", "4.5.6", nil, "4.5.6", "", ""},
		"4.1.10 to 4.5.6":             {"moodle", "4.1.10 (Build: 20240422)", "4.5.6", nil, "4.5.6", "", ""},
		"4.1.1 is too old for 4.5":    {"moodle", "4.1.1", "4.5.6", nil, "", "StopMissing", "4.1.2 or later"},
		"4.3.3 to 5.1.3 directly":     {"moodle", "4.3.3", "5.1.3", []string{"4.5.6"}, "5.1.3", "", ""},
		"3.11.4 over two stops":       {"moodle", "3.11.4", "5.1.3", []string{"4.1.10", "4.5.6"}, "4.1.10 4.5.6 5.1.3", "", ""},
		"3.11.4 without stops":        {"moodle", "3.11.4", "5.1.3", nil, "", "StopMissing", "give images of"},
		"3.11.8 may go to 4.3":        {"moodle", "3.11.8", "4.3.3", nil, "4.3.3", "", ""},
		"a version to avoid":          {"moodle", "4.1.10", "4.5.9", nil, "4.5.9", "VersionToAvoid", "MDL-87892"},
		"a release that nobody knows": {"moodle", "4.5.6", "9.0", nil, "9.0", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			hops, objections := load(t, c.profile).SolveHops(c.from, c.to, c.have)
			var got []string
			for _, h := range hops {
				got = append(got, h.To)
				if h.Reason == "" {
					t.Errorf("hop to %s has no reason", h.To)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("hops are %v, want %q; %v", got, c.want, objections)
			}
			switch {
			case c.objects == "" && len(objections) > 0:
				t.Errorf("objections are %v", objections)
			case c.objects != "" && (len(objections) != 1 || objections[0].Reason != c.objects || !strings.Contains(objections[0].Message, c.says)):
				t.Errorf("objections are %v, want %s %q", objections, c.objects, c.says)
			}
		})
	}
}

func TestHopsTellWhatTheyNeedAndDrop(t *testing.T) {
	hops, _ := load(t, "moodle").SolveHops("4.3.3", "5.1.3", nil)
	h := hops[0]
	if h.Runtime.Min != "8.2" || h.Database["postgresql"] != "15" || h.SecurityEnd != "2027-04" ||
		h.Reason != "5.1 can be reached from 4.2.3 or later" {
		t.Errorf("hop is %+v", h)
	}
	var removed []string
	for _, r := range h.Removes {
		removed = append(removed, r.Plugin)
	}
	if all := strings.Join(removed, " "); !strings.Contains(all, "mod_chat") ||
		!strings.Contains(all, "block_section_links") ||
		strings.Contains(all, "mod_assignment") {
		t.Errorf("removed are %s", all)
	}
	hops, _ = load(t, "campus").SolveHops("1.0", "3.0", []string{"2.0"})
	if !strings.Contains(hops[0].Reason, "a stop is needed, since 3.0 can be reached from 1.5 or later only") {
		t.Errorf("reason is %q", hops[0].Reason)
	}
}

func TestCheckDatabase(t *testing.T) {
	p := load(t, "moodle")
	hops, _ := p.SolveHops("4.1.10", "5.1.3", []string{"4.5.6"})
	for name, c := range map[string]struct {
		engine, version string
		want            int
	}{
		"fits both":            {"postgresql", "15.19 (Debian 15.19-0+deb12u1)", 0},
		"fits the first only":  {"postgresql", "13.9", 1},
		"too old for both":     {"postgresql", "12.1", 2},
		"an engine that left":  {"oracle", "19", 2},
		"MySQL is judged also": {"mysql", "8.0.36", 1},
	} {
		if got := p.CheckDatabase(hops, task.Engine(c.engine), c.version); len(got) != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestCheckPlugins(t *testing.T) {
	moodle, campus := load(t, "moodle"), load(t, "campus")
	for name, c := range map[string]struct {
		profile      Profile
		to           string
		live, target []task.Plugin
		dropped      []string
		want         string
	}{
		"all there": {moodle, "4.5.6", []task.Plugin{{Name: "mod_x", Version: "1"}}, []task.Plugin{{Name: "mod_x", Version: "2"}}, nil, ""},
		"a plugin that is missing from the target": {moodle, "4.5.6", []task.Plugin{{Name: "mod_x", Version: "1"}}, nil, nil, "PluginMissing"},
		"the same, by decision":                    {moodle, "4.5.6", []task.Plugin{{Name: "mod_x", Version: "1"}}, nil, []string{"mod_x"}, ""},
		"one that left the product":                {moodle, "5.1.3", []task.Plugin{{Name: "mod_chat", Version: "1"}}, nil, nil, "PluginRemoved"},
		"one that will leave it later":             {moodle, "4.5.6", []task.Plugin{{Name: "mod_chat", Version: "1"}}, nil, nil, "PluginMissing"},
		"one that left, and is in the image":       {moodle, "5.1.3", []task.Plugin{{Name: "mod_chat", Version: "1"}}, []task.Plugin{{Name: "mod_chat", Version: "2"}}, nil, ""},
		"one the database of the copy knows only":  {campus, "2.0", []task.Plugin{{Name: "mod_chat", Version: "1"}}, []task.Plugin{{Name: "mod_chat", Status: "delete"}}, nil, "PluginRemoved"},
		"one that was missing before":              {moodle, "4.5.6", []task.Plugin{{Name: "mod_x", Status: "missing"}}, nil, nil, "PluginMissingBefore"},
		"an older plugin":                          {moodle, "4.5.6", []task.Plugin{{Name: "mod_x", Version: "2"}}, []task.Plugin{{Name: "mod_x", Version: "1"}}, nil, "PluginDowngrade"},
		"needs a newer core":                       {moodle, "4.5.6", nil, []task.Plugin{{Name: "mod_x", Requires: "2025041400"}}, nil, "PluginRequires"},
		"needs a newer point release":              {moodle, "4.5.6", nil, []task.Plugin{{Name: "mod_x", Requires: "2024100707"}}, nil, "PluginRequires"},
		"needs just this one":                      {moodle, "4.5.6", nil, []task.Plugin{{Name: "mod_x", Requires: "2024100706"}}, nil, ""},
		"refuses this branch":                      {moodle, "5.1.3", nil, []task.Plugin{{Name: "mod_x", Incompatible: "501"}}, nil, "PluginIncompatible"},
		"refuses the next branch":                  {moodle, "5.0.2", nil, []task.Plugin{{Name: "mod_x", Incompatible: "501"}}, nil, ""},
		"lacks a dependency":                       {moodle, "4.5.6", nil, []task.Plugin{{Name: "mod_x", Dependencies: map[string]string{"mod_y": ""}}}, nil, "PluginDependency"},
		"has it, too old":                          {moodle, "4.5.6", nil, []task.Plugin{{Name: "mod_x", Dependencies: map[string]string{"mod_y": "2"}}, {Name: "mod_y", Version: "1"}}, nil, "PluginDependency"},
		"campus counts by release":                 {campus, "2.0", nil, []task.Plugin{{Name: "local_badge", Requires: "3.0"}}, nil, "PluginRequires"},
		"campus refuses by release":                {campus, "3.0", nil, []task.Plugin{{Name: "report_attendance", Incompatible: "3.0"}}, nil, "PluginIncompatible"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, o := range c.profile.CheckPlugins(c.to, c.live, c.target, c.dropped) {
				got = append(got, o.Reason)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("objections are %v, want %s", got, c.want)
			}
		})
	}
}
