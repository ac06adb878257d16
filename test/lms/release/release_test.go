// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package release

import "testing"

func TestLess(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		want bool
	}{
		"a minor release is older":         {"1.0", "1.5", true},
		"a major release is newer":         {"2.0", "1.5", false},
		"numbers are not compared as text": {"2.0", "10.0", true},
		"the same is not less":             {"2.0", "2.0", false},
		"a missing minor is nought":        {"2", "2.1", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Less(test.a, test.b); got != test.want {
				t.Errorf("Less(%s, %s) = %v", test.a, test.b, got)
			}
		})
	}
}

func TestReleasesAscendAndRequireKnownOnes(t *testing.T) {
	for i, r := range All {
		if _, err := Named(r.Requires); err != nil {
			t.Errorf("%s requires %v", r, err)
		}
		if i > 0 && (r.Version <= All[i-1].Version || !Less(All[i-1].Name, r.Name)) {
			t.Errorf("%s does not follow %s", r, All[i-1])
		}
	}
}
