// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// All faults at all writes take hours. What was told of a code is kept, so that it may
// be broken off and gone on with.
var (
	keptIn = flag.String("kept", "", "folder for what was told; what is there of the same -code is not told again")
	code   = flag.String("code", "", "what is tested: any text that is another one when the code is")
)

// row is what became of one family of faults in one scenario.
type row struct {
	Scenario, Family, Code string
	// Run, Survived, and Unmet, by kind: pairs whose second write did not come any more.
	Run, Survived, Unmet map[gate.Kind]int
	// Story of the scenario without faults.
	Story
}

// Story is what a scenario writes without faults, and from where on it is broken.
type Story struct {
	// Writes are call sites with their numbers; At are the lines that made them.
	Writes, At []string
	// Marked is how many of them are other scenarios' to break.
	Marked int
}

// summary counts what was run and survived, by scenario and fault.
type summary struct {
	lock sync.Mutex
	rows []row
	told chronicle
}

// recall gives the families that are still to be told of a scenario.
func (s *summary) recall(t *testing.T, of Scenario) []family {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(asked()), func(f family) bool {
		if *keptIn == "" {
			return false
		}
		content, err := os.ReadFile(rowFile(of.Name, f.name))
		if err != nil {
			return false
		}
		var r row
		if err := json.Unmarshal(content, &r); err != nil {
			t.Fatal(err)
		}
		if r.Code != *code {
			return false
		}
		s.lock.Lock()
		defer s.lock.Unlock()
		s.rows = append(s.rows, r)
		s.told.add(of.Name, r.Story)
		return true
	})
}

func rowFile(scenario, family string) string {
	return filepath.Join(*keptIn, scenario+"."+family+".json")
}

// add counts what was told. A row that has a failure is told again next time.
func (s *summary) add(t *testing.T, of Scenario, f family, plans []Plan, results []Result, together bool) {
	t.Helper()
	s.lock.Lock()
	defer s.lock.Unlock()
	r := row{Scenario: of.Name, Family: f.name, Code: *code, Story: s.told.story(of.Name),
		Run: map[gate.Kind]int{}, Survived: map[gate.Kind]int{}, Unmet: map[gate.Kind]int{}}
	for i, plan := range plans {
		kind := plan.label()
		r.Run[kind]++
		switch {
		case len(results[i].Wrong) > 0:
			together = false
			t.Error(failure(t, plan, results[i]))
		case len(results[i].Unfired) > 0:
			r.Unmet[kind]++
			r.Survived[kind]++
		default:
			r.Survived[kind]++
		}
	}
	s.rows = append(s.rows, r)
	if *keptIn == "" || !together || *every > 1 {
		return
	}
	content, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(*keptIn, 0o755)
	}
	if err == nil {
		err = os.WriteFile(rowFile(r.Scenario, r.Family), content, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// table gives scenarios by families: how many plans were run, and how many of them
// survived where that is not all; then the sums by kind.
func (s *summary) table() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	cells := map[string]map[string]string{}
	run, survived, unmet := map[gate.Kind]int{}, map[gate.Kind]int{}, map[gate.Kind]int{}
	for _, r := range s.rows {
		n, ok := 0, 0
		for kind := range r.Run {
			n, ok = n+r.Run[kind], ok+r.Survived[kind]
			run[kind] += r.Run[kind]
			survived[kind] += r.Survived[kind]
			unmet[kind] += r.Unmet[kind]
		}
		if cells[r.Scenario] == nil {
			cells[r.Scenario] = map[string]string{}
		}
		cells[r.Scenario][r.Family] = fmt.Sprint(n)
		if ok < n {
			cells[r.Scenario][r.Family] = fmt.Sprintf("%d of %d", ok, n)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%-26s", "plans run, all survived")
	for _, f := range asked() {
		fmt.Fprintf(&out, " %9s", f.name)
	}
	for _, of := range Scenarios {
		if cells[of.Name] == nil {
			continue
		}
		fmt.Fprintf(&out, "\n%-26s", of.Name)
		for _, f := range asked() {
			fmt.Fprintf(&out, " %9s", cells[of.Name][f.name])
		}
	}
	n, ok := 0, 0
	for _, f := range asked() {
		for _, kind := range f.kinds {
			n, ok = n+run[kind], ok+survived[kind]
			fmt.Fprintf(&out, "\n%-14s %6d run %6d survived", kind, run[kind], survived[kind])
			if unmet[kind] > 0 {
				fmt.Fprintf(&out, ", %d of them without their second write", unmet[kind])
			}
		}
	}
	fmt.Fprintf(&out, "\n%-14s %6d run %6d survived", "all", n, ok)
	return out.String()
}
