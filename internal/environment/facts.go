// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// params are what the profile needs to know of this copy.
func (v View) params() profile.Params {
	return profile.Params{
		URL: v.address(), FromURL: v.Site.Spec.URL, BaseURL: v.address(),
		MailSink: nowhere, Prefix: v.Site.Spec.Database.TablePrefix,
		DataRoot: v.dataRoot(), Target: v.target(),
		Reader: v.ownerDatabase(), Owner: v.ownerDatabase(),
		HopDeadline: v.hopDeadline(),
	}
}

// dataRoot gives the path under which the application sees the site's files.
func (v View) dataRoot() string {
	if len(v.Site.Spec.Volumes) == 0 {
		return ""
	}
	return v.Site.Spec.Volumes[0].MountPath
}

// figures picks the profile's figures from the facts of a count.
func figures(p *profile.Profile, facts map[string]string) []v1alpha1.Count {
	return Figures(p, facts, "count.")
}

// Figures picks the profile's figures from facts that begin with a prefix.
func Figures(p *profile.Profile, facts map[string]string, prefix string) []v1alpha1.Count {
	var counts []v1alpha1.Count
	for key, value := range facts {
		name, ok := strings.CutPrefix(key, prefix)
		_, equal := p.Integrity.Equal[name]
		_, orphan := p.Integrity.Orphans[name]
		if ok && (equal || orphan) {
			counts = append(counts, v1alpha1.Count{Name: name, Value: value})
		}
	}
	slices.SortFunc(counts, func(a, b v1alpha1.Count) int { return strings.Compare(a.Name, b.Name) })
	return counts
}

// ByName gives counts as a map, as the agent compares them.
func ByName(counts []v1alpha1.Count) map[string]string {
	m := make(map[string]string, len(counts))
	for _, c := range counts {
		m[c.Name] = c.Value
	}
	return m
}

// part records how long a Job of the copy took.
func (v View) part(name string, job pipeline.JobOutcome) {
	v.timed(name, Took(job))
}

// timed records how long a part of the copy took.
func (v View) timed(name string, span time.Duration) {
	took := metav1.Duration{Duration: span.Round(time.Second)}
	// What was tried again took as long as the last time.
	v.Env.Status.Parts = append(
		slices.DeleteFunc(v.Env.Status.Parts, func(p v1alpha1.TimedPart) bool { return p.Name == name }),
		v1alpha1.TimedPart{Name: name, Measured: &took})
}

// found adds what a Job saw. A status takes so many findings: what blocks is kept.
func (v View) found(job pipeline.JobOutcome) {
	all := slices.Concat(v.Env.Status.Findings, Findings(job.Result))
	if len(all) > v1alpha1.MaxFindings {
		slices.SortStableFunc(all, func(a, b v1alpha1.Finding) int { return grave(b) - grave(a) })
		all = all[:v1alpha1.MaxFindings]
	}
	v.Env.Status.Findings = all
}

// grave orders findings by how much they weigh.
func grave(f v1alpha1.Finding) int {
	switch f.Severity {
	case v1alpha1.SeverityCritical:
		return 3
	case v1alpha1.SeverityMajor:
		return 2
	case v1alpha1.SeverityMinor:
		return 1
	}
	return 0
}

// Took gives the wall time of a Job's pod.
func Took(job pipeline.JobOutcome) time.Duration {
	if job.Started.IsZero() || job.Ended.IsZero() {
		return 0
	}
	return job.Ended.Sub(job.Started)
}

// maxFindings of one Job in a status that takes 64.
const maxFindings = 20

// Findings turns what the agent saw into findings of the API.
func Findings(result task.Result) []v1alpha1.Finding {
	var out []v1alpha1.Finding
	for _, f := range result.Findings {
		if len(out) == maxFindings {
			break // the rest is in the evidence
		}
		severity := v1alpha1.SeverityInfo
		switch f.Severity {
		case task.Blocking:
			severity = v1alpha1.SeverityCritical
		case task.Warning:
			severity = v1alpha1.SeverityMinor
		}
		out = append(out, v1alpha1.Finding{
			Severity: severity, Code: message.Clip(f.Code, 64),
			Component: message.Clip(f.Component, message.Line), Message: message.Clip(f.Message, message.Step),
		})
	}
	return out
}
