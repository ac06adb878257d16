// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// establishRequirements solves the path and asks the target's image which
// plugins it has. Whatever stands against the upgrade is told at once, all of
// it, and judged again when the plan or the Site is mended.
var establishRequirements = pipeline.Step[View]{
	Name: v1alpha1.StepEstablishRequirements, Needs: after(v1alpha1.StepReviewSite), Repairable: true, Repeats: proofs,
	Create: func(v View, at pipeline.At) []client.Object {
		job, ok := v.targetInventory(at)
		if !ok {
			return nil
		}
		return []client.Object{job.Build()}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if wait := waits(v); wait != nil {
			return *wait
		}
		_, asks := v.targetInventory(at)
		if asks && seen.Job().State == pipeline.JobRunning {
			return pipeline.JobDone("ReadingTarget", "", nil)(seen)
		}
		if asks && seen.Job().State == pipeline.JobFailed {
			return pipeline.Fail("TargetUnreadable", "the image of %s does not tell its plugins: %s",
				v.Plan.Spec.Target.Version, seen.Job().Why())
		}
		hops, objections := v.requirements(seen)
		if blocking := blockers(objections); len(blocking) > 0 {
			return pipeline.Fail(blocking[0].Reason, "%s", joined(blocking))
		}
		return pipeline.Pass("%d hop(s): %s", len(hops), path(hops))
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		hops, objections := v.requirements(seen)
		v.Plan.Status.Hops, v.Plan.Status.Findings = nil, nil
		for _, hop := range hops {
			v.Plan.Status.Hops = append(v.Plan.Status.Hops, v1alpha1.HopResult{
				Hop: v1alpha1.Hop{From: hop.From, To: hop.To, Reason: hop.Reason},
			})
		}
		for _, o := range objections {
			severity := v1alpha1.SeverityMinor
			if o.Severity == task.Blocking {
				severity = v1alpha1.SeverityCritical
			}
			if len(v.Plan.Status.Findings) == v1alpha1.MaxFindings {
				break // the API's bound; the message of the step names the blocking ones
			}
			v.Plan.Status.Findings = append(v.Plan.Status.Findings, v1alpha1.Finding{
				Severity: severity, Code: o.Reason, Component: o.Component, Message: o.Message,
			})
		}
	},
}

// targetInventory asks the target's own image for its plugins, with no access
// to anything of the site. Products that cannot tell are asked on the trial.
func (v View) targetInventory(at pipeline.At) (workload.Job, bool) {
	if v.Profile == nil || v.Site == nil {
		return workload.Job{}, false
	}
	t, _, err := v.Profile.VerbTask(profile.InventoryVerb, profile.Params{
		Target: v.Plan.Spec.Target.Version, Prefix: v.prefix(),
	})
	image := v.applicationImage(v.Plan.Spec.Target.Version)
	if err != nil || image == "" {
		return workload.Job{}, false
	}
	for i := range t.Actions {
		t.Actions[i].Advisory = false
	}
	sum := sha256.Sum256([]byte(image))
	what := "target-" + hex.EncodeToString(sum[:])[:8]
	w, live := v.web()
	job := workload.Job{
		Namespace: v.Plan.Namespace, Name: at.Name(what), AgentImage: v.Install.Image,
		Run: corev1.Container{Image: image, Resources: workload.Small()}, Level: v.Site.Spec.Copies.PodSecurity,
		Task: task.Task{Actions: t.Actions, Known: v.Profile.Failures},
	}
	if live != nil {
		job.User = workload.User(live.Spec.Template, w.ApplicationContainer)
	}
	return job, true
}

// applicationImage gives the image of the LMS at a stop.
func (v View) applicationImage(version string) string {
	w, _ := v.web()
	return environment.Images(v.Site, v.Plan.Spec.Target.Releases, version)[w.ApplicationContainer].Image
}

// requirements solves the path and collects everything that stands against it.
func (v View) requirements(seen pipeline.Seen) ([]profile.Hop, []profile.Objection) {
	var have []string
	for _, release := range v.Plan.Spec.Target.Releases {
		have = append(have, release.Version)
	}
	from, to := v.Plan.Status.Summary.From, v.Plan.Spec.Target.Version
	hops, objections := v.Profile.SolveHops(from, to, have)
	if len(hops) == 0 && len(objections) == 0 {
		objections = append(objections, profile.Objection{Severity: task.Blocking, Reason: "TargetNotNewer",
			Message: "spec.target.version: the site runs " + from + " already; name a newer version"})
	}
	if v.Plan.Status.Inventory != nil {
		server := strings.TrimPrefix(v.Plan.Status.Inventory.DatabaseVersion, "PostgreSQL ")
		objections = append(objections, v.Profile.CheckDatabase(hops, task.PostgreSQL, server)...)
		if target := pluginsOf(seen.Job()); target != nil {
			objections = append(objections, v.Profile.CheckPlugins(to, v.livePlugins(), target, v.dropped())...)
			if len(v.Plan.Status.Inventory.Plugins) == maxPlugins {
				objections = append(objections, profile.Objection{Severity: task.Warning, Reason: "PluginsNotAllCompared",
					Message: fmt.Sprintf("only the first %d plugins were compared with those of the target; "+
						"see the evidence of step %s for all", maxPlugins, v1alpha1.StepReviewSite)})
			}
		}
	}
	return hops, objections
}

func (v View) livePlugins() []task.Plugin {
	var out []task.Plugin
	for _, p := range v.Plan.Status.Inventory.Plugins {
		out = append(out, task.Plugin{Name: p.Component, Version: p.Version})
	}
	return out
}

func (v View) dropped() []string {
	var out []string
	for _, p := range v.Plan.Spec.Requirements.DropPlugins {
		out = append(out, p.Component)
	}
	return out
}

func blockers(objections []profile.Objection) []profile.Objection {
	var out []profile.Objection
	for _, o := range objections {
		if o.Severity == task.Blocking {
			out = append(out, o)
		}
	}
	return out
}

func joined(objections []profile.Objection) string {
	var out []string
	for _, o := range objections {
		out = append(out, o.Message)
	}
	return strings.Join(out, "; ")
}

func path(hops []profile.Hop) string {
	stops := []string{hops[0].From}
	for _, hop := range hops {
		stops = append(stops, hop.To)
	}
	return strings.Join(stops, " to ")
}
