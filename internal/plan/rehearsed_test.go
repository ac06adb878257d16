// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// Images that no trial has seen are not put to people, and an approval of before opens nothing.
func TestWhatWasNotRehearsedIsNotAskedFor(t *testing.T) {
	other := []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0-r2"}}
	for name, c := range map[string]struct {
		change func(*View)
		says   string // empty: people may be asked
	}{
		"as it was rehearsed": {func(*View) {}, ""},
		"another image": {func(v *View) { v.Plan.Spec.Target.Releases = other },
			"spec.target.releases is not what trial autumn-trial-1 rehearsed"},
		"another image, and another trial": {func(v *View) {
			v.Plan.Spec.Target.Releases, v.Trial.Spec.Upgrade.Releases = other, other
		}, "spec.target.releases is not what staging autumn-staging-1 was brought to"},
		"another image, seen by both": {func(v *View) {
			v.Plan.Spec.Target.Releases, v.Trial.Spec.Upgrade.Releases, v.Staging.Spec.Upgrade.Releases = other, other, other
			v.Plan.Status.Releases = v.pinned()
		}, ""},
		"another image, staging is gone": {func(v *View) {
			v.Plan.Spec.Target.Releases, v.Trial.Spec.Upgrade.Releases, v.Staging = other, other, nil
		}, "spec.target.releases is not what step 5 wrote down"},
		"another variable": {func(v *View) {
			v.Plan.Spec.Target.Releases[1] = v1alpha1.Release{Version: "3.0", Containers: []v1alpha1.ContainerImage{{
				Name: "app", Image: "campus:3.0", Env: []v1alpha1.EnvValue{{Name: "CACHE", Value: "off"}}}}}
		}, "spec.target.releases"},
		"another path":            {func(v *View) { v.Plan.Status.Hops = v.Plan.Status.Hops[1:] }, "status.hops"},
		"another word for a stop": {func(v *View) { v.Plan.Status.Hops[0].Reason = "because" }, ""},
		"more time for a hop":     {func(v *View) { v.Plan.Spec.Upgrade.HopDeadline = minutes(600) }, ""},
		"a go-live carries its own": {func(v *View) {
			v.Plan.Spec.Target.Releases, v.Plan.Status.GoLive = other, "autumn-golive-1"
		}, "go-live autumn-golive-1 carries its own: put spec.target back"},
	} {
		v := ready(t)
		v.Plan.Spec.Target.Releases = append([]v1alpha1.Release{}, v.Plan.Spec.Target.Releases...)
		c.change(&v)
		approve(&v, v1alpha1.GateGoLive, "bob", "owners")
		status, wait := gateStatus(v, v1alpha1.GateGoLive), notYet(v)
		if c.says == "" {
			if status.State != v1alpha1.GateOpened || wait != nil {
				t.Errorf("%s: gate %s, %v", name, status.State, wait)
			}
			continue
		}
		if status.State != v1alpha1.GateClosed || status.Digest != "" || len(status.Objections) != 1 ||
			!strings.Contains(status.Objections[0], c.says) {
			t.Errorf("%s: gate %+v", name, status)
		}
		if wait == nil || wait.Reason != "NotRehearsed" || !strings.Contains(wait.Message, c.says) {
			t.Errorf("%s: %v", name, wait)
		}
	}
}

// The command that is named begins every proof anew, and the backup whose gate names the images.
func TestTheProofsBeginAnew(t *testing.T) {
	v := ready(t)
	v.Plan.Spec.Target.Releases = []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0-r2"}}
	if says := notYet(v).Message; !strings.Contains(says, v1alpha1.RetryAnnotation+"=EstablishRequirements@1") {
		t.Fatal(says)
	}
	b := only(t, v, v1alpha1.StepEstablishRequirements)
	v.Plan.Annotations[v1alpha1.RetryAnnotation] = "EstablishRequirements@1"
	walk := func() string {
		b.outcome = pipeline.JobOutcome{State: pipeline.JobRunning}
		if _, err := pipeline.Run(t.Context(), b.engine, v.Plan, Steps, v, &v.Plan.Status.Steps); err != nil {
			t.Fatal(err)
		}
		var attempts strings.Builder
		for _, e := range v.Plan.Status.Steps {
			attempts.WriteByte(byte('0' + e.Attempt))
		}
		return attempts.String()
	}
	v.Plan.Status.GoLive = "autumn-golive-1"
	if got := walk(); strings.Contains(got, "2") {
		t.Errorf("attempts %s: the proofs of a go-live that was ordered begin anew", got)
	}
	v.Plan.Status.GoLive = ""
	if got, want := walk(), "111222222222221"; !strings.HasPrefix(got, want) {
		t.Errorf("attempts are %s, want %s", got, want)
	}
	if e := v.Plan.Status.Steps[9]; e.State != v1alpha1.StepPending {
		t.Errorf("%s is %s", e.Name, e.State)
	}
}

// A step judges the copy of its own attempt, not what the view still has of the one before.
func TestTheCopyOfAnEarlierAttemptIsNotJudged(t *testing.T) {
	v := autumn(t)
	v.Plan.Status.Trial, v.Plan.Status.Staging = "autumn-trial-2", "autumn-staging-2"
	if e := only(t, v, v1alpha1.StepTest).run(); e.State != v1alpha1.StepRunning {
		t.Errorf("Test is %s: %s", e.State, e.Message)
	}
	b := only(t, v, v1alpha1.StepUpgradeStaging)
	if e := b.run(); e.State != v1alpha1.StepRunning || len(b.made) > 0 {
		t.Errorf("UpgradeStaging is %s, made %v", e.State, b.made)
	}
}
