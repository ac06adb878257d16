// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Autoscaler gives the one that governs a workload; nil when none does.
func Autoscaler(
	all []autoscalingv2.HorizontalPodAutoscaler, ref v1alpha1.WorkloadRef,
) *autoscalingv2.HorizontalPodAutoscaler {
	for i := range all {
		if target := all[i].Spec.ScaleTargetRef; target.Kind == ref.Kind && target.Name == ref.Name {
			return &all[i]
		}
	}
	return nil
}

// Unscalable says why a number of pods that a plan asks for cannot be had,
// naming the field; "" when all can.
func Unscalable(
	scale []v1alpha1.WorkloadScale, site *v1alpha1.Site, autoscalers []autoscalingv2.HorizontalPodAutoscaler,
) string {
	for _, s := range scale {
		found := false
		for _, w := range site.Spec.Workloads {
			if w.Name != s.Workload {
				continue
			}
			found = true
			if hpa := Autoscaler(autoscalers, w.TargetRef); hpa != nil && hpa.Spec.MaxReplicas < s.Replicas {
				return fmt.Sprintf("spec.infrastructure.scale[%s].replicas: %d is more than the maxReplicas %d of "+
					"HorizontalPodAutoscaler %s; raise that first", s.Workload, s.Replicas, hpa.Spec.MaxReplicas, hpa.Name)
			}
		}
		if !found {
			return fmt.Sprintf("spec.infrastructure.scale[%s]: Site %s has no workload of this name", s.Workload, site.Name)
		}
	}
	return ""
}
