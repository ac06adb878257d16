// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"slices"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

// Run is a go-live or a rollback.
type Run interface {
	production.Owner
	GetSteps() []v1alpha1.StepStatus
}

// Beside lists what a run put beside the site and what must go with it: what
// its ledger tells, and what it may have made right before it died, so that its
// ledger could not tell.
func Beside(run Run) []v1alpha1.ChildRef {
	out := Recorded(run.GetSteps())
	for _, child := range unrecorded(run) {
		if !slices.ContainsFunc(out, func(c v1alpha1.ChildRef) bool { return c.Kind == child.Kind && c.Name == child.Name }) {
			out = append(out, child)
		}
	}
	return out
}

// Unwatch lists the watchdog of a run, which goes when the run has nothing
// left to undo and somebody else holds the site.
func Unwatch(run Run) []v1alpha1.ChildRef {
	name := watchdogName(run)
	return slices.DeleteFunc(Beside(run), func(c v1alpha1.ChildRef) bool { return c.Name != name })
}

// Recorded lists those of a ledger. Jobs stay with their run: they are evidence.
func Recorded(ledger []v1alpha1.StepStatus) []v1alpha1.ChildRef {
	var out []v1alpha1.ChildRef
	for _, entry := range ledger {
		for _, child := range entry.Children {
			switch child.Kind {
			case "Deployment", "Service", "ServiceAccount", "Role", "RoleBinding":
				out = append(out, child)
			}
		}
	}
	return out
}

// unrecorded lists what attempts made of which the ledger does not tell (any
// more), by the names that they give: those before the last, and the last where
// it is not settled well. A run that never had the site made nothing: it may
// lack the right even to look.
func unrecorded(run Run) []v1alpha1.ChildRef {
	var out []v1alpha1.ChildRef
	for _, entry := range run.GetSteps() {
		if entry.Name == StepTakeLease && entry.Started == nil {
			return nil
		}
		at := pipeline.PlaceOf(run, entry)
		last := at.Attempt
		if entry.State == v1alpha1.StepPassed || entry.State == v1alpha1.StepSkipped {
			last--
		}
		for at.Attempt = 1; at.Attempt <= last; at.Attempt++ {
			out = append(out, besides(run, at)...)
		}
	}
	return out
}

// besides names what one attempt of a step puts beside the site.
func besides(run Run, at pipeline.At) []v1alpha1.ChildRef {
	var out []v1alpha1.ChildRef
	add := func(name string, kinds ...string) {
		for _, kind := range kinds {
			out = append(out, v1alpha1.ChildRef{Kind: kind, Namespace: run.GetNamespace(), Name: name})
		}
	}
	switch at.Entry.Name {
	case stepStartWatchdog:
		add(watchdogName(run), "Deployment", "RoleBinding", "Role", "ServiceAccount")
	case stepHoldingPage:
		add(pageName(at), "Deployment")
	case stepSmoke:
		add(insideName(at), "Service")
	}
	return out
}

func watchdogName(run Run) string {
	return watchdog.Spec{Site: run.SiteName(), Owner: run}.Name()
}
