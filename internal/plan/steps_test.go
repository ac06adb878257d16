// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
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
	if !slices.Equal(want, got) {
		t.Error(got)
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
	opens := map[string]bool{"campus-db-reader": true, "campus-probe": true}
	nameOnly := []corev1.KeyToPath{{Key: "username", Path: "username"}}
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
				if v.Secret != nil && !opens[v.Secret.SecretName] && !cmp.Equal(v.Secret.Items, nameOnly) {
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
		"something missing": {func(v *View) { v.Missing = []string{"Deployment x (Site campus, spec.workloads[web])"} }, v1alpha1.SiteNotReadyReason, []string{"spec.workloads[web]", "create what is not there, or name another"}},
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
