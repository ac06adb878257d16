// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// reported is what a person approves when they approve a trial: what was found,
// not when and how fast. Fields are in alphabetical order: the canonical form.
type reported struct {
	After    []v1alpha1.Count `json:"after"`
	Before   []v1alpha1.Count `json:"before"`
	Findings []finding        `json:"findings"`
	From     string           `json:"from"`
	Hops     []hop            `json:"hops"`
	Passed   bool             `json:"passed"`
	Reason   string           `json:"reason"`
}

type finding struct {
	Code      string `json:"code"`
	Component string `json:"component"`
	Severity  string `json:"severity"`
}

type hop struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Verdict string `json:"verdict"`
	Version string `json:"version"`
}

// Digest is sha256:<hex> over the trial's report, computed from its status
// alone, so that whoever acts on it can compute it again.
func Digest(t *v1alpha1.TrialUpgrade) string {
	status := t.Status
	r := reported{
		Before: byName(status.Before), After: byName(status.After), From: t.Spec.Upgrade.From,
		Findings: []finding{}, Hops: []hop{},
	}
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.PassedCondition); c != nil {
		r.Passed, r.Reason = c.Status == "True", c.Reason
	}
	for _, h := range status.Hops {
		r.Hops = append(r.Hops, hop{From: h.From, To: h.To, Verdict: h.Verdict, Version: h.Version})
	}
	for _, f := range status.Findings {
		r.Findings = append(r.Findings, finding{Code: f.Code, Component: f.Component, Severity: string(f.Severity)})
	}
	slices.SortFunc(r.Findings, func(a, b finding) int {
		return strings.Compare(a.Code+"\x00"+a.Component+"\x00"+a.Severity, b.Code+"\x00"+b.Component+"\x00"+b.Severity)
	})
	var content bytes.Buffer
	canonical := json.NewEncoder(&content)
	canonical.SetEscapeHTML(false)
	if err := canonical.Encode(r); err != nil {
		return "" // impossible: strings and booleans
	}
	sum := sha256.Sum256(bytes.TrimSuffix(content.Bytes(), []byte("\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func byName(counts []v1alpha1.Count) []v1alpha1.Count {
	sorted := append([]v1alpha1.Count{}, counts...)
	slices.SortFunc(sorted, func(a, b v1alpha1.Count) int { return strings.Compare(a.Name, b.Name) })
	return sorted
}
