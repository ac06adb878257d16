// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// planChangeControl lays down which gates the plan has and what each needs.
var planChangeControl = pipeline.Step[View]{
	Name: v1alpha1.StepPlanChangeControl, Needs: pipeline.None,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		var parts []string
		if id := v.Plan.Spec.ChangeControl.Ticket.ID; id != "" {
			parts = append(parts, id)
		}
		for name := range gatesBefore {
			if !gate.Asked(v.Plan.Spec.ChangeControl, name) {
				continue
			}
			counted := gate.Count(v.Plan, name, "", nil, v.Now)
			parts = append(parts, fmt.Sprintf("gate %s needs %s", name, strings.Join(counted.Missing, ", ")))
		}
		return pipeline.Pass("%s", strings.Join(sorted(parts), "; "))
	},
	Documents: func(v View, _ pipeline.At) map[string][]byte {
		return map[string][]byte{"change-record.md": changeRecord(v)}
	},
}

// gatesBefore names the step that each gate guards.
var gatesBefore = map[string]string{
	v1alpha1.GateCopyData: v1alpha1.StepBackUp,
	v1alpha1.GateGoLive:   v1alpha1.StepGoLive,
	v1alpha1.GateOpen:     v1alpha1.StepGoLive,
}

func changeRecord(v View) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Change record of %s\n\n", v.Plan.Name)
	fmt.Fprintf(&b, "Site %s to %s\n\nAuthors: %s\n", v.Plan.Spec.SiteRef.Name, v.Plan.Spec.Target.Version,
		strings.Join(gate.Authors(v.Plan), ", "))
	if t := v.Plan.Spec.ChangeControl.Ticket; t.ID != "" {
		fmt.Fprintf(&b, "Ticket: %s %s\n", t.ID, t.URL)
	}
	return []byte(b.String())
}

// Gates gives the state of every gate of the plan, for its status. Gate GoLive
// has a subject only when all that it binds to is there.
func Gates(v View) []v1alpha1.GateStatus {
	var out []v1alpha1.GateStatus
	for _, name := range []string{v1alpha1.GateCopyData, v1alpha1.GateGoLive, v1alpha1.GateOpen} {
		if !gate.Asked(v.Plan.Spec.ChangeControl, name) {
			continue
		}
		out = append(out, gateStatus(v, name))
	}
	return out
}

func gateStatus(v View, name string) v1alpha1.GateStatus {
	if !subjectComplete(v, name) {
		closed := gate.Count(v.Plan, name, "", nil, v.Now)
		closed.State, closed.Before = v1alpha1.GateClosed, gatesBefore[name]
		return closed
	}
	if what := unrehearsed(v); what != "" && name != v1alpha1.GateCopyData {
		closed := gate.Count(v.Plan, name, "", nil, v.Now)
		closed.State, closed.Before = v1alpha1.GateClosed, gatesBefore[name]
		closed.Objections = []string{message.Clip(what, 2*message.Line)}
		return closed
	}
	digest := gate.Subject(name, v.facts()).Digest()
	counted := gate.Count(v.Plan, name, digest, v.Approvals, v.Now)
	counted.Before = gatesBefore[name]
	counted.Summary = gate.Summary(v.facts())
	return counted
}

// subjectComplete says whether all that a gate binds to is there.
func subjectComplete(v View, name string) bool {
	if v.Site == nil || v.Profile == nil {
		return false
	}
	needs := map[string][]string{
		v1alpha1.GateCopyData: {v1alpha1.StepMakeUpgradePlan},
		v1alpha1.GateGoLive:   {v1alpha1.StepMakeRolloutPlan, v1alpha1.StepTest, v1alpha1.StepConfigure},
		v1alpha1.GateOpen:     {v1alpha1.StepMakeRolloutPlan, v1alpha1.StepTest, v1alpha1.StepConfigure},
	}
	for _, step := range needs[name] {
		if !settledWell(v.Plan, step) {
			return false
		}
	}
	return true
}

// settledWell says whether a step of the plan is passed or skipped.
func settledWell(plan *v1alpha1.UpgradePlan, name string) bool {
	for _, s := range plan.Status.Steps {
		if s.Name == name {
			return s.State == v1alpha1.StepPassed || s.State == v1alpha1.StepSkipped
		}
	}
	return false
}
