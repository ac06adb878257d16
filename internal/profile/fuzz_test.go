// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

var versions = []string{"4.5.6", "4.5", "v3.11.18+", "4.5.6 (Build: 20250811)", "5.0dev", "5.0beta", "", "1.0", "latest",
	"99999999999999999999999", "4..5", "-1", "2.0-rc1", "\x00", "1.0.0.0.0"}

// Versions have one order.
func FuzzCompare(f *testing.F) {
	for i, a := range versions {
		f.Add(a, versions[(i+1)%len(versions)], versions[(i+5)%len(versions)])
	}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if Compare(a, a) != 0 {
			t.Fatalf("%q is not itself", a)
		}
		if Compare(a, b) != -Compare(b, a) {
			t.Fatalf("%q and %q have two orders", a, b)
		}
		if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("%q, %q, %q have no order", a, b, c)
		}
		if split, _ := split(a); split != nil && strings.TrimSpace(Short(a)) == "" {
			t.Fatalf("%q has numbers and no short form", a)
		}
	})
}

// A way leads from the version that is there to the one that is wanted, up with
// every hop, over stops for which there are images; else there is an objection.
func FuzzSolveHops(f *testing.F) {
	f.Add("moodle", "3.9.1", "5.0", "3.11.18,4.2.3,4.5.6")
	f.Add("moodle", "4.5", "4.5.6 (Build: 20250811)", "")
	f.Add("campus", "1.0", "2.0", "1.5,,1.5,3.0")
	f.Add("generic", "", "latest", "\x00,99999999999999999999999")
	f.Add("generic", "1.0", "2.0dev", "2.0,1.0")
	f.Fuzz(func(t *testing.T, name, from, to, have string) {
		p, err := Load(name)
		if err != nil || strings.Count(have, ",") > 30 {
			return
		}
		given := strings.Split(have, ",")
		hops, objections := p.SolveHops(from, to, given)
		if len(hops) == 0 && len(objections) == 0 && Compare(Short(from), Short(to)) != 0 {
			t.Fatalf("neither a way nor an objection from %q to %q", from, to)
		}
		at := Short(from)
		for _, h := range hops {
			if h.From != at || Compare(h.From, h.To) >= 0 {
				t.Fatalf("from %q a hop goes from %q to %q", at, h.From, h.To)
			}
			stop := slices.ContainsFunc(given, func(g string) bool { return Short(g) == h.To })
			if !stop && h.To != Short(to) {
				t.Fatalf("there is no image of %q", h.To)
			}
			at = h.To
		}
		if len(hops) > 0 && at != Short(to) {
			t.Fatalf("the way ends at %q instead of %q", at, to)
		}
	})
}

// A profile that a site brings is refused, or complete.
func FuzzOverride(f *testing.F) {
	for _, name := range Names() {
		content, err := files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("name: any"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		if _, err := Override(content, "sha256:none"); err == nil {
			t.Fatal("a profile that nobody approved")
		}
		p, err := Override(content, digestOf(content))
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil || p.Digest() != digestOf(content) {
			t.Fatalf("accepted, and then: %v", err)
		}
		for v := range p.Verbs {
			if _, _, err := p.VerbTask(v, params); err != nil && !errors.Is(err, ErrNone) {
				t.Errorf("it does not build %s: %v", v, err)
			}
		}
		_, _ = p.SolveHops("1.0", "9.0", nil)
	})
}
