// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

func TestTheEighteenSteps(t *testing.T) {
	want := []string{
		v1alpha1.StepEngageStakeholders, v1alpha1.StepPlanChangeControl, v1alpha1.StepReviewSite, v1alpha1.StepEstablishRequirements,
		v1alpha1.StepMakeUpgradePlan, v1alpha1.StepMakeRolloutPlan, v1alpha1.StepBackUp, v1alpha1.StepRunTrial,
		v1alpha1.StepUpgradeStaging, v1alpha1.StepTest, v1alpha1.StepConfigure, v1alpha1.StepPrepareDocumentation,
		v1alpha1.StepProvideTraining, v1alpha1.StepPrepareInfrastructure, v1alpha1.StepGoLive, v1alpha1.StepSupport,
		v1alpha1.StepReview, v1alpha1.StepCelebrate,
	}
	name := regexp.MustCompile(`^[A-Z][A-Za-z]{0,39}$`)
	var got []string
	for _, step := range Steps {
		got = append(got, step.Name)
		if !name.MatchString(step.Name) || step.Judge == nil {
			t.Errorf("step %q has no proper name, or cannot be judged", step.Name)
		}
		for _, need := range step.Needs {
			if !slices.Contains(want, need) {
				t.Errorf("step %s needs %s, which is no step", step.Name, need)
			}
		}
		if step.Change != nil || step.Remove != nil {
			t.Errorf("step %s of a plan writes to production, or removes something", step.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// ready gives a view in which every step that makes something does so.
func ready(t *testing.T) View {
	return autumn(t, func(v *View) {
		v.Now = time.Date(2026, 12, 19, 20, 0, 0, 0, berlin(t)).Add(time.Minute)
		v.Backup.Status.Taken = ptr.To(metav1.NewTime(v.Now.Add(-time.Hour)))
		v.Trial.CreationTimestamp = metav1.NewTime(v.Now.AddDate(0, 0, -1))
		approve(v, v1alpha1.GateGoLive, "bob", "owners")
	})
}

// approve lets somebody approve a gate as it is now.
func approve(v *View, gate, who string, groups ...string) {
	v.Approvals = append(v.Approvals, v1alpha1.UpgradeApproval{
		ObjectMeta: metav1.ObjectMeta{Name: "by-" + who, CreationTimestamp: metav1.NewTime(v.Now.Add(-time.Minute))},
		Spec: v1alpha1.UpgradeApprovalSpec{
			PlanRef: &v1alpha1.PlanRef{Name: v.Plan.Name}, Gate: gate, Digest: gateStatus(*v, gate).Digest,
			Decision: v1alpha1.DecisionApprove, Approver: who, Groups: groups,
		},
	})
}

func TestWhatIsMadeIsDeterministic(t *testing.T) {
	makes := 0
	for _, step := range Steps {
		if step.Create == nil {
			continue
		}
		first, second := only(t, ready(t), step.Name), only(t, ready(t), step.Name)
		first.run()
		second.run()
		if diff := cmp.Diff(first.made, second.made); diff != "" || len(first.made) != 1 {
			t.Errorf("step %s makes %d objects, not the same at every call: %s", step.Name, len(first.made), diff)
			continue
		}
		makes++
		first.clock.Step(time.Second)
		first.run()
		if len(first.made) != 1 {
			t.Errorf("step %s makes something else a second later: %s", step.Name, first.made[1].GetName())
		}
		if name := first.made[0].GetName(); len(name) > 63 || !strings.HasSuffix(name, "-1-0b4cdd3e") {
			t.Errorf("step %s makes %s", step.Name, name)
		}
	}
	if makes != 7 {
		t.Errorf("%d steps make something, want 7", makes)
	}
}

func TestJobsOnTheLiveSiteOnlyRead(t *testing.T) {
	jobs := 0
	for _, step := range Steps {
		if step.Create == nil {
			continue
		}
		b := only(t, ready(t), step.Name)
		b.run()
		for _, obj := range b.made {
			job, ok := obj.(*batchv1.Job)
			if !ok {
				continue
			}
			jobs++
			pod := job.Spec.Template.Spec
			if ptr.Deref(pod.AutomountServiceAccountToken, true) || pod.SecurityContext.FSGroup != nil {
				t.Errorf("Job of step %s has a token or an fsGroup", step.Name)
			}
			for _, v := range pod.Volumes {
				if v.PersistentVolumeClaim != nil && !v.PersistentVolumeClaim.ReadOnly || v.HostPath != nil {
					t.Errorf("Job of step %s could write to volume %s", step.Name, v.Name)
				}
				if v.Secret != nil && v.Secret.SecretName != "campus-db-reader" && v.Secret.SecretName != "campus-probe" {
					t.Errorf("Job of step %s opens Secret %s", step.Name, v.Secret.SecretName)
				}
			}
		}
	}
	if jobs != 3 {
		t.Errorf("%d Jobs, want review, target's inventory, and a look", jobs)
	}
}

func TestWaits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		reason string
		says   []string
	}{
		"nothing":           {func(*View) {}, "", nil},
		"no Site":           {func(v *View) { v.Site = nil }, v1alpha1.SiteNotFoundReason, []string{"spec.siteRef", "create it"}},
		"no profile":        {func(v *View) { v.Profile = nil }, "ProfileUnknown", []string{"spec.profile", "moodle"}},
		"something missing": {func(v *View) { v.Missing = []string{"Deployment x (Site campus, spec.workloads[web])"} }, v1alpha1.SiteNotReadyReason, []string{"spec.workloads[web]"}},
		"another plan":      {func(v *View) { v.Holder = "spring" }, v1alpha1.SiteBusyReason, []string{"spring", "complete or deleted"}},
	} {
		b := only(t, autumn(t, c.change), v1alpha1.StepReviewSite)
		e := b.run()
		if c.reason == "" {
			if e.State != v1alpha1.StepRunning || len(b.made) != 1 {
				t.Errorf("%s: %+v", name, e)
			}
			continue
		}
		if e.State != v1alpha1.StepWaiting || e.Reason != c.reason || len(b.made) > 0 {
			t.Errorf("%s: %s %s, made %d", name, e.State, e.Reason, len(b.made))
		}
		for _, word := range c.says {
			if !strings.Contains(e.Message, word) {
				t.Errorf("%s: %q does not say %q", name, e.Message, word)
			}
		}
	}
}

func TestAPlanMayWaitForWeeksForAnother(t *testing.T) {
	b := only(t, autumn(t, func(v *View) { v.Holder = "spring" }), v1alpha1.StepReviewSite)
	b.run()
	b.clock.Step(21 * 24 * time.Hour)
	if e := b.run(); e.State != v1alpha1.StepWaiting || e.Attempt != 1 {
		t.Fatalf("after three weeks: %+v", e)
	}
	b.view.Holder = "autumn"
	if e := b.run(); e.State != v1alpha1.StepRunning {
		t.Errorf("when the site is free: %+v", e)
	}
}

func TestReview(t *testing.T) {
	b := only(t, autumn(t, func(v *View) { v.Plan.Status.Inventory, v.Plan.Status.Summary.From = nil, "" }), v1alpha1.StepReviewSite)
	b.run()
	b.outcome = succeeded("version.database", "1.0", "version.http", "1.0", "server.version", "15.18", "server.bytes", "4096")
	b.outcome.Documents = map[string][]byte{"plugins." + task.PluginsDocument: []byte(`[{"name":"mod_quiz","version":"2"},{"name":"block_x","version":"1"}]`)}
	if e := b.run(); e.State != v1alpha1.StepPassed {
		t.Fatalf("%+v", e)
	}
	inventory := b.view.Plan.Status.Inventory
	if inventory.DatabaseBytes != 4096 || len(inventory.Plugins) != 2 || inventory.Plugins[0].Component != "block_x" ||
		b.view.Plan.Status.Summary.From != "1.0" || b.view.Plan.Status.Started == nil {
		t.Errorf("%+v, from %q", inventory, b.view.Plan.Status.Summary.From)
	}
	bigger := only(t, autumn(t), v1alpha1.StepReviewSite)
	bigger.outcome = b.outcome
	bigger.outcome.Result.Facts["server.bytes"] = "8192"
	bigger.run()
	bigger.run()
	if bigger.view.Plan.Status.Inventory.Digest != inventory.Digest {
		t.Error("the identity of a site changes when it grows: approvals would be void by the day")
	}
}

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

func TestTestsOnStaging(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		state  v1alpha1.StepState
		says   string
	}{
		"all as before":   {func(*View) {}, v1alpha1.StepPassed, "3 of 3 checks passed; 1 figures"},
		"no staging yet":  {func(v *View) { v.Staging = nil }, v1alpha1.StepRunning, "staging"},
		"a small finding": {func(v *View) { v.Staging.Status.Findings = []v1alpha1.Finding{{Severity: v1alpha1.SeverityMinor}} }, v1alpha1.StepPassed, ""},
		"a serious one": {func(v *View) {
			v.Staging.Status.Findings = []v1alpha1.Finding{{Severity: v1alpha1.SeverityMajor, Component: "quiz", Message: "empty"}}
		}, v1alpha1.StepFailed, "quiz: empty"},
		"a figure differs": {func(v *View) { v.Staging.Status.After[0].Value = "6" }, v1alpha1.StepFailed, "users was 7 before the upgrade and is 6"},
		"a figure is gone": {func(v *View) { v.Staging.Status.After = nil }, v1alpha1.StepFailed, "users was 7"},
		"nothing compared": {func(v *View) { v.Staging.Status.Before = nil }, v1alpha1.StepFailed, "no figures"},
	} {
		e := only(t, autumn(t, c.change), v1alpha1.StepTest).run()
		if e.State != c.state || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %s %s", name, e.State, e.Message)
		}
	}
	first := ""
	for range 20 { // of two figures that differ it is always the same that is named
		e := only(t, autumn(t, func(v *View) {
			v.Staging.Status.Before = []v1alpha1.Count{{Name: "users", Value: "7"}, {Name: "courses", Value: "7"}, {Name: "files", Value: "7"}}
			v.Staging.Status.After = nil
		}), v1alpha1.StepTest).run()
		if first == "" {
			first = e.Message
		}
		if e.Message != first {
			t.Fatalf("%q and %q: every reconcile would be a write", first, e.Message)
		}
	}
}

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

func TestSupport(t *testing.T) {
	opened := metav1.NewTime(noon)
	b := only(t, autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Opened: &opened}}
		v.Plan.Spec.Support.Until.Days = 1
	}), v1alpha1.StepSupport)
	b.outcome = succeeded()
	b.run()
	if e := b.run(); e.State != v1alpha1.StepRunning || len(b.made) != 1 {
		t.Fatalf("%+v, %d looks", e, len(b.made))
	}
	b.clock.Step(time.Hour)
	b.outcome = pipeline.JobOutcome{State: pipeline.JobFailed, Message: "502"}
	b.run()
	if e := b.run(); e.State != v1alpha1.StepWaiting || !strings.Contains(e.Message, "502") || len(b.made) != 2 {
		t.Fatalf("%+v, %d looks", e, len(b.made))
	}
	b.clock.SetTime(noon.Add(24*time.Hour + time.Minute))
	b.run()
	if e := b.run(); e.State != v1alpha1.StepWaiting {
		t.Fatalf("support ends with a look that failed: %+v", e)
	}
	looks := len(b.made)
	b.clock.Step(time.Hour)
	b.outcome = succeeded()
	b.run()
	if e := b.run(); e.State != v1alpha1.StepPassed || len(b.made) != looks+1 {
		t.Errorf("the site is well again and support does not end: %+v, %d looks", e, len(b.made))
	}
}

func TestSupportThatWasOverBeforeItBegan(t *testing.T) {
	opened := metav1.NewTime(noon.Add(-time.Hour))
	b := only(t, autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Opened: &opened}}
		v.Plan.Spec.Support.Until.Duration = minutes(1)
	}), v1alpha1.StepSupport)
	b.outcome = succeeded()
	b.run()
	if e := b.run(); e.State != v1alpha1.StepPassed || len(b.made) != 1 || strings.Contains(b.made[0].GetName(), "--") {
		t.Errorf("%+v, made %v", e, b.made)
	}
}

func TestWhatGoLiveScalesIsToldBefore(t *testing.T) {
	scale := func(workload string, n int32) View {
		return autumn(t, func(v *View) {
			v.Plan.Spec.Infrastructure.Scale = []v1alpha1.WorkloadScale{{Workload: workload, Replicas: n}}
		})
	}
	got := prepareInfrastructure.Judge(scale("web", 9), pipeline.At{}, pipeline.Seen{})
	if got.State != v1alpha1.StepPassed || !strings.Contains(got.Message, "to 9") {
		t.Errorf("%s: %s", got.State, got.Message)
	}
	got = prepareInfrastructure.Judge(scale("forum", 9), pipeline.At{}, pipeline.Seen{})
	if got.State != v1alpha1.StepFailed || !strings.Contains(got.Message, "spec.infrastructure.scale[forum]") {
		t.Errorf("%s: %s", got.State, got.Message)
	}
}

func TestThePlanEndsWhenTheExtraPodsAreGone(t *testing.T) {
	v := autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{}
		v.GoLive.Status.Changes = []v1alpha1.Change{{ID: "scale-web", Undo: v1alpha1.UndoAlways, State: v1alpha1.ChangeApplied}}
	})
	if got := celebrate.Judge(v, pipeline.At{}, pipeline.Seen{}); got.State == v1alpha1.StepPassed {
		t.Error("over, with extra pods")
	}
	v.GoLive.Status.Changes[0].State = v1alpha1.ChangeUndone
	if got := celebrate.Judge(v, pipeline.At{}, pipeline.Seen{}); got.State != v1alpha1.StepPassed {
		t.Errorf("%s: %s", got.State, got.Message)
	}
}

func TestAPlanThatEndsLeavesNoStepRunning(t *testing.T) {
	v := autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{}
		v.GoLive.Name = "autumn-golive-1"
		v.GoLive.Status.Steps = []v1alpha1.StepStatus{{Name: "Commit", State: v1alpha1.StepPassed},
			{Name: "Hops", State: v1alpha1.StepFailed, Reason: "HopFailed", Message: "a plugin is broken"}}
		v.Plan.Status.Steps = []v1alpha1.StepStatus{
			{Name: v1alpha1.StepTest, State: v1alpha1.StepPassed}, {Name: v1alpha1.StepGoLive, State: v1alpha1.StepRunning},
			{Name: v1alpha1.StepSupport, State: v1alpha1.StepWaiting}, {Name: v1alpha1.StepReview, State: v1alpha1.StepPending},
		}
	})
	end(v, v1alpha1.PlanRolledBack, pipeline.Verdict{State: v1alpha1.StepPassed, Reason: rolledBackReason, Message: "rolled back: 1.0"})
	want := []v1alpha1.StepState{v1alpha1.StepPassed, v1alpha1.StepFailed, v1alpha1.StepSkipped, v1alpha1.StepPending}
	for i, e := range v.Plan.Status.Steps {
		if e.State != want[i] {
			t.Errorf("%s is %s, want %s", e.Name, e.State, want[i])
		}
	}
	failed := v.Plan.Status.Steps[1]
	if failed.Reason != "HopFailed" || !strings.Contains(failed.Message, "a plugin is broken; rolled back") || failed.Finished == nil {
		t.Errorf("%+v", failed)
	}
}
