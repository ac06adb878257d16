// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestChannels(t *testing.T) {
	for name, c := range map[string]struct {
		wanted, have []string
		state        v1alpha1.StepState
	}{
		"nobody asked": {nil, nil, v1alpha1.StepSkipped}, "configured": {[]string{"chat"}, []string{"mail", "chat"}, v1alpha1.StepPassed},
		"unknown": {[]string{"chat", "fax"}, []string{"chat"}, v1alpha1.StepFailed},
	} {
		e := only(t, autumn(t, func(v *View) { v.Plan.Spec.Stakeholders.Channels, v.Channels = c.wanted, c.have }), v1alpha1.StepEngageStakeholders).run()
		if e.State != c.state || c.state == v1alpha1.StepFailed && (!strings.Contains(e.Message, "fax") || strings.Contains(e.Message, "chat:")) {
			t.Errorf("%s: %s %s", name, e.State, e.Message)
		}
	}
}
