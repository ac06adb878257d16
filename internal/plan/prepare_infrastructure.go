// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

// prepareInfrastructure says what go-live will scale, from what, and until
// when. Nothing is scaled before users are let in.
var prepareInfrastructure = pipeline.Step[View]{
	Name: v1alpha1.StepPrepareInfrastructure, Needs: after(v1alpha1.StepUpgradeStaging), Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		scale := v.Plan.Spec.Infrastructure.Scale
		if len(scale) == 0 {
			return pipeline.Skip("NoneAskedFor", "the plan scales nothing")
		}
		if what := workload.Unscalable(scale, v.Site, v.Autoscalers); what != "" {
			return pipeline.Fail("CannotScale", "%s", what)
		}
		return pipeline.Pass("go-live scales before users are let in, and back when support ends: %s",
			strings.Join(v.capacity(), ", "))
	},
}

// capacity tells each number of pods before and after.
func (v View) capacity() []string {
	var out []string
	for _, s := range v.Plan.Spec.Infrastructure.Scale {
		for _, w := range v.Site.Spec.Workloads {
			if w.Name != s.Workload {
				continue
			}
			what, now := s.Workload, int32(1)
			if d := v.Workloads[w.Name]; d != nil {
				now = ptr.Deref(d.Spec.Replicas, 1)
			}
			if hpa := workload.Autoscaler(v.Autoscalers, w.TargetRef); hpa != nil {
				what, now = s.Workload+" (floor of "+hpa.Name+")", ptr.Deref(hpa.Spec.MinReplicas, 1)
			}
			if now >= s.Replicas {
				out = append(out, fmt.Sprintf("%s has %d already", what, now))
				continue
			}
			out = append(out, fmt.Sprintf("%s from %d to %d", what, now, s.Replicas))
		}
	}
	return out
}
