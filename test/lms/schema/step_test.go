// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"testing"
	"time"

	"github.com/gradus-lms/gradus/test/lms/release"
)

func TestStepsAreInOrder(t *testing.T) {
	seen := map[string]bool{}
	for i, step := range steps {
		if seen[step.String()] {
			t.Errorf("%s is there twice", step)
		}
		seen[step.String()] = true
		if i > 0 && (step.Number <= steps[i-1].Number || release.Less(step.Release, steps[i-1].Release)) {
			t.Errorf("%s does not follow %s", step, steps[i-1])
		}
	}
}

func TestDue(t *testing.T) {
	for name, test := range map[string]struct {
		code      string
		savepoint int
		want      int
	}{
		"an install runs all of its release": {"1.0", 0, 3},
		"a hop over a release runs both":     {"2.0", 1003, 8},
		"a resumed hop runs the rest":        {"2.0", 2002, 3},
		"nothing is left":                    {"2.0", 2005, 0},
		"older code knows no newer step":     {"1.5", 2005, 0},
	} {
		code, err := release.Named(test.code)
		if err != nil {
			t.Fatal(err)
		}
		if got := due(code, test.savepoint); len(got) != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestStateOf(t *testing.T) {
	state := StateOf(map[string]string{
		"version": "2025041400", "release": "2.0", "upgraderunning": "100", "savepoint": "2001", "allversionshash": "x",
	})
	if !state.Locked(time.Unix(99, 0)) || state.Locked(time.Unix(100, 0)) {
		t.Error("the lock does not end at its epoch")
	}
	code, _ := release.Named("1.0")
	if !state.OlderCode(code) || !state.Pending(code, nil) {
		t.Error("older code goes unnoticed")
	}
	if StateOf(nil).Installed {
		t.Error("nothing is installed")
	}
}
