// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// engageStakeholders checks that those who are to be told can be told. What
// happens is told by the controller, as Events and over the plan's channels.
var engageStakeholders = pipeline.Step[View]{
	Name: v1alpha1.StepEngageStakeholders, Needs: pipeline.None, Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		wanted := v.Plan.Spec.Stakeholders.Channels
		var unknown []string
		for _, channel := range wanted {
			if !slices.Contains(v.Channels, channel) {
				unknown = append(unknown, channel)
			}
		}
		switch {
		case len(unknown) > 0:
			return pipeline.Fail("ChannelUnknown", "spec.stakeholders.channels: %s: not configured; "+
				"the administrator of Gradus adds it to ConfigMap gradus-channels", strings.Join(unknown, ", "))
		case len(wanted) == 0:
			return pipeline.Skip("NobodyAsked", "Events on the plan only; spec.stakeholders names no channel")
		}
		return pipeline.Pass("what happens is told over %s", strings.Join(wanted, ", "))
	},
}
