// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

var record = flag.String("record", "", "keep objects as this version of the operator leaves them in the middle of its stories")

const (
	corpus = "testdata/corpus"
	// moments that are kept of a scenario.
	moments = 5
)

// recorded are the scenarios whose objects are kept.
var recorded = []string{"golive", "golive-fails", "rollback-keep", "backup", "environment", "trial", "plan"}

// kept is a file of the corpus: a moment, with those objects only that differ
// from the moment before; null is one that is gone.
type kept struct {
	world.Moment
	// Accepts are beginnings of what is no fault where today's story ends
	// otherwise than the old one would have, each with the reason.
	Accepts map[string]string `json:"accepts,omitempty"`
}

// Record keeps objects of the version that is checked out.
func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("left out: it needs -record VERSION")
	}
	folder := filepath.Join(corpus, *record)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	server.Sites = "campus-" + regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(*record, "-")
	for _, name := range recorded {
		before := map[string]json.RawMessage{}
		for i, m := range spread(after(t, name)) {
			now := m.Objects
			m.Objects = changed(before, now)
			before = now
			write(t, filepath.Join(folder, fmt.Sprintf("%s-%d.json", name, i+1)), kept{Moment: m})
		}
	}
}

// after gives the moments after every write of a scenario: there an upgrade ends
// the old operator.
func after(t *testing.T, name string) []world.Moment {
	t.Helper()
	s, ok := scenario(name)
	if !ok {
		t.Fatalf("there is no scenario %q", name)
	}
	var out []world.Moment
	play := s.Play
	s.Play = func(w *world.World) {
		hear := w.Gate.After
		w.Gate.After = func(call gate.Call, code int, body []byte) {
			hear(call, code, body)
			out = append(out, w.Moment())
		}
		play(w)
		w.Gate.After = hear
	}
	if r := Run(t.Context(), server, s, nil, nil, nil); len(r.Wrong) > 0 {
		t.Fatalf("without a fault:\n%s", strings.Join(r.Wrong, "\n"))
	}
	return out
}

func spread(all []world.Moment) []world.Moment {
	var out []world.Moment
	for i := range moments {
		out = append(out, all[(i+1)*len(all)/(moments+1)])
	}
	return out
}

func changed(before, now map[string]json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for _, key := range union(before, now) {
		if !bytes.Equal(before[key], now[key]) {
			out[key] = now[key]
		}
	}
	return out
}

func write(t *testing.T, file string, content kept) {
	t.Helper()
	text, err := json.MarshalIndent(content, "", " ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Today's operator goes on from what an earlier version left, and ends as its
// own story ends.
func TestEarlierVersions(t *testing.T) {
	versions, err := filepath.Glob(filepath.Join(corpus, "*"))
	if err != nil || len(versions) == 0 {
		t.Fatalf("there is no earlier version in %s: %v", corpus, err)
	}
	for _, s := range Scenarios {
		told := slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return len(files(t, v, s)) == 0 })
		if len(told) == 0 || *only != "" && s.Name != *only {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			ref := reference(t, s, 1)
			for _, version := range told {
				goOn(t, s, files(t, version, s), ref)
			}
		})
	}
}

// files gives the moments of a scenario that a version left, in order.
func files(t *testing.T, version string, s Scenario) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(version, s.Name+"-[0-9].json"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// goOn lets each moment of a story end. They are of one namespace: one by one.
func goOn(t *testing.T, s Scenario, files []string, ref Result) {
	t.Helper()
	objects := map[string]json.RawMessage{}
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var moment kept
		if err := json.Unmarshal(text, &moment); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		maps.Copy(objects, moment.Objects)
		maps.DeleteFunc(objects, func(_ string, o json.RawMessage) bool { return string(o) == "null" })
		// The volume for backups is the cluster's, not what an operator left: then it
		// went with its claim, and no operator of today takes such a one.
		for key, object := range objects {
			if strings.HasPrefix(key, "/registry/persistentvolumes/") && strings.HasSuffix(key, "-gradus-vault") {
				objects[key] = bytes.ReplaceAll(object, []byte(`"Delete"`), []byte(`"Retain"`))
			}
		}
		moment.Objects = maps.Clone(objects)
		if *which == "sample" && i%2 == 1 {
			continue
		}
		t.Run(strings.TrimPrefix(file, corpus+"/"), func(t *testing.T) {
			r := Run(t.Context(), server, s.from(moment.Moment), nil, &ref, nil)
			r.Wrong = slices.DeleteFunc(append(r.Wrong, refused(r)...), moment.accepted)
			if len(r.Wrong) > 0 {
				t.Errorf("%s, while it waits for %s:\n%s\n%s", file, moment.Until,
					strings.Join(r.Wrong, "\n"), strings.Join(r.Errors, "\n"))
			}
		})
	}
}

func (k kept) accepted(wrong string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(k.Accepts)), func(p string) bool {
		return strings.HasPrefix(wrong, p)
	})
}

// from gives the rest of a story.
func (s Scenario) from(m world.Moment) Scenario {
	play := s.Play
	s.Play = func(w *world.World) {
		w.GoOn(m)
		play(w)
		w.Arrived()
	}
	return s
}
