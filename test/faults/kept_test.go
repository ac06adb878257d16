// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// keep writes a plan that was not survived, and gives its file.
func keep(t *testing.T, plan Plan) string {
	t.Helper()
	folder, err := filepath.Abs(*failed)
	if err == nil {
		err = os.MkdirAll(folder, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	file := filepath.Join(folder, fmt.Sprintf("%s-%s-%x.json", plan.Scenario, plan.Faults[0].Kind, sum[:4]))
	if err := os.WriteFile(file, append(content, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func readPlan(t *testing.T, file string) Plan {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var plan Plan
	if err := json.Unmarshal(content, &plan); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return plan
}

// keptPlans reads testdata/regressions, by what the plans say.
func keptPlans(t *testing.T) map[string]Plan {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "regressions", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Plan{}
	for _, file := range files {
		plan := readPlan(t, file)
		out[plan.String()] = plan
	}
	return out
}
