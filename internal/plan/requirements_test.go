// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

func TestRequirements(t *testing.T) {
	plugins := func(names ...string) pipeline.JobOutcome {
		o := succeeded()
		var list []string
		for _, name := range names {
			list = append(list, fmt.Sprintf(`{"name":%q,"version":"1"}`, name))
		}
		o.Documents = map[string][]byte{"inventory." + task.PluginsDocument: []byte("[" + strings.Join(list, ",") + "]")}
		return o
	}
	has := func(names ...string) func(*View) {
		return func(v *View) {
			for _, name := range names {
				v.Plan.Status.Inventory.Plugins = append(v.Plan.Status.Inventory.Plugins, v1alpha1.PluginStatus{Component: name, Version: "1"})
			}
		}
	}
	for name, c := range map[string]struct {
		change  func(*View)
		outcome pipeline.JobOutcome
		reason  string
		says    string
	}{
		"a path is found":          {has("mod_quiz"), plugins("mod_quiz"), "Passed", "2 hop(s): 1.0 to 1.5 to 3.0"},
		"no image for a stop":      {func(v *View) { v.Plan.Spec.Target.Releases = v.Plan.Spec.Target.Releases[1:] }, plugins(), "", "1.5"},
		"the site runs it already": {func(v *View) { v.Plan.Status.Summary.From = "3.0" }, plugins(), "", "3.0"},
		"a database too old":       {func(v *View) { v.Plan.Status.Inventory.DatabaseVersion = "PostgreSQL 11.2" }, plugins(), "", "13"},
		"a plugin that is missing": {has("block_links"), plugins("mod_quiz"), "", "block_links"},
		"a plugin that was dropped": {func(v *View) {
			has("block_links")(v)
			v.Plan.Spec.Requirements.DropPlugins = []v1alpha1.DroppedPlugin{{Component: "block_links", Because: "nobody uses it"}}
		}, plugins("mod_quiz"), "Passed", "2 hop(s)"},
		"an image that tells nothing": {func(*View) {}, pipeline.JobOutcome{State: pipeline.JobFailed, Message: "ImagePullBackOff"}, "TargetUnreadable", "ImagePullBackOff"},
	} {
		t.Run(name, func(t *testing.T) {
			b := only(t, autumn(t, c.change), v1alpha1.StepEstablishRequirements)
			b.run()
			b.outcome = c.outcome
			e := b.run()
			if passed := e.State == v1alpha1.StepPassed; passed != (c.reason == "Passed") || !strings.Contains(e.Message, c.says) ||
				c.reason != "" && e.Reason != c.reason {
				t.Errorf("%s %s: %s", e.State, e.Reason, e.Message)
			}
		})
	}
}

func TestASiteWithMorePluginsThanAStatusHolds(t *testing.T) {
	b := only(t, autumn(t, func(v *View) {
		for i := range maxPlugins {
			v.Plan.Status.Inventory.Plugins = append(v.Plan.Status.Inventory.Plugins, v1alpha1.PluginStatus{Component: fmt.Sprintf("block_%03d", i)})
			v.Plan.Spec.Requirements.DropPlugins = append(v.Plan.Spec.Requirements.DropPlugins, v1alpha1.DroppedPlugin{Component: fmt.Sprintf("block_%03d", i)})
		}
	}), v1alpha1.StepEstablishRequirements)
	b.run()
	b.outcome = succeeded()
	b.outcome.Documents = map[string][]byte{"inventory." + task.PluginsDocument: []byte(`[{"name":"mod_quiz","version":"1"}]`)}
	if e := b.run(); e.State != v1alpha1.StepPassed {
		t.Fatalf("%+v", e)
	}
	if !slices.ContainsFunc(b.view.Plan.Status.Findings, func(f v1alpha1.Finding) bool { return f.Code == "PluginsNotAllCompared" }) {
		t.Errorf("nobody is told that plugins were left out: %d findings", len(b.view.Plan.Status.Findings))
	}
}

// A stocktake runs none of the LMS's code; the trial's copy does.
func TestTheVersionOnDiskComesWithTheTrial(t *testing.T) {
	v := autumn(t)
	v.Plan.Status.Inventory = &v1alpha1.InventoryStatus{Versions: []v1alpha1.Count{{Name: "database", Value: "1.0"}}}
	for _, version := range []string{"1.0", "1.0.1"} {
		trial := &v1alpha1.TrialUpgrade{Status: v1alpha1.TrialUpgradeStatus{CodeVersion: version}}
		runTrial.Record(v, pipeline.PlaceOf(v.Plan, v1alpha1.StepStatus{Name: v1alpha1.StepRunTrial, Attempt: 1}), pipeline.Seen{Objects: []client.Object{trial}})
		got := v.Plan.Status.Inventory.Versions
		if len(got) != 2 || got[0].Name != "database" || got[1].Name != "disk" || got[1].Value != version {
			t.Errorf("versions %+v", got)
		}
	}
}
