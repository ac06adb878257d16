// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
		"a trial that was run again, and failed": {func(v *View) {
			meta.SetStatusCondition(&v.Trial.Status.Conditions,
				metav1.Condition{Type: v1alpha1.PassedCondition, Status: metav1.ConditionFalse, Reason: "TrialFailed"})
		}, "trial autumn-trial-1 has not passed; mend it, then: kubectl annotate"},
		"a container of another name": {func(v *View) { v.Site.Spec.Workloads[0].ApplicationContainer = "other" },
			"is not what step 5 wrote down (for spec.workloads of Site campus)"},
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

// Images that gate CopyData was not asked about get no copy of the site's data; a copy that
// is there already goes on.
func TestOtherImagesGetNoCopy(t *testing.T) {
	for _, name := range []string{v1alpha1.StepRunTrial, v1alpha1.StepUpgradeStaging} {
		v := ready(t)
		v.Plan.Spec.Target.Releases = []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0-r2"}}
		b := only(t, v, name)
		e := b.run()
		if e.State != v1alpha1.StepWaiting || e.Reason != "NotTheReleases" || len(b.made) > 0 ||
			!strings.Contains(e.Message, v1alpha1.RetryAnnotation+"=EstablishRequirements@1") {
			t.Errorf("%s is %s %s: %s; made %v", name, e.State, e.Reason, e.Message, b.made)
		}
		at := pipeline.PlaceOf(v.Plan, v1alpha1.StepStatus{Name: name, Children: []v1alpha1.ChildRef{{Name: "copy"}}})
		if wait := uncopied(v, at); wait != nil {
			t.Errorf("%s: a copy that is there is held up: %s", name, wait.Message)
		}
	}
}

// While a go-live is ordered neither backup nor trial is made again.
func TestNothingIsRepeatedBesideAGoLive(t *testing.T) {
	v := ready(t)
	if !backUp.Repeatable(v) || !runTrial.Repeatable(v) {
		t.Error("a plan that waits must be able to repeat both")
	}
	v.Plan.Status.GoLive = "autumn-golive-1"
	if backUp.Repeatable(v) || runTrial.Repeatable(v) {
		t.Error("they are repeated beside a go-live")
	}
}

// Nor is a go-live ordered while one of them is.
func TestNoGoLiveBesideWhatIsRepeated(t *testing.T) {
	for _, name := range []string{v1alpha1.StepBackUp, v1alpha1.StepRunTrial} {
		for state, says := range map[v1alpha1.StepState]string{
			v1alpha1.StepPending: name + " runs again", v1alpha1.StepRunning: name + " runs again",
			v1alpha1.StepFailed: v1alpha1.RetryAnnotation + "=" + name + "@2", v1alpha1.StepPassed: "",
			v1alpha1.StepWaiting: name + " was run again and waits",
		} {
			v := ready(t)
			for i, e := range v.Plan.Status.Steps {
				if e.Name == name {
					v.Plan.Status.Steps[i].State, v.Plan.Status.Steps[i].Attempt = state, 2
				}
			}
			b := only(t, v, v1alpha1.StepGoLive)
			e := b.run()
			if waits := state == v1alpha1.StepWaiting || state == v1alpha1.StepFailed; waits && e.State != v1alpha1.StepWaiting {
				t.Errorf("%s %s: GoLive is %s, and nobody is told whom it waits for", name, state, e.State)
			}
			if (len(b.made) == 0) != (says != "") || !strings.Contains(e.Message, says) {
				t.Errorf("%s %s: made %v, GoLive says %s", name, state, b.made, e.Message)
			}
		}
	}
}

// A go-live that is deleted stays until its plan has seen how it ended, whatever record was lost.
func TestAPlanExpectsItsGoLive(t *testing.T) {
	v := ready(t)
	run := func(attempt int32) *v1alpha1.GoLive {
		r := &v1alpha1.GoLive{}
		r.Name = OrderName(v.Plan, v1alpha1.StepStatus{Name: v1alpha1.StepGoLive, Attempt: attempt})
		r.Labels = map[string]string{v1alpha1.OwnerUIDLabel: string(v.Plan.UID)}
		meta.SetStatusCondition(&r.Status.Conditions,
			metav1.Condition{Type: v1alpha1.SucceededCondition, Status: metav1.ConditionTrue, Reason: "Succeeded"})
		return r
	}
	at := func(state v1alpha1.StepState, finished bool) *v1alpha1.UpgradePlan {
		p := v.Plan.DeepCopy()
		e := v1alpha1.StepStatus{Name: v1alpha1.StepGoLive, State: state, Attempt: 1}
		if finished {
			e.Finished = &metav1.Time{Time: v.Now}
		}
		p.Status.Steps = []v1alpha1.StepStatus{e}
		return p
	}
	for name, c := range map[string]struct {
		plan *v1alpha1.UpgradePlan
		run  *v1alpha1.GoLive
		want bool
	}{
		"the record of the order was lost":        {at(v1alpha1.StepWaiting, false), run(1), true},
		"a retry was ordered and its record lost": {at(v1alpha1.StepFailed, true), run(2), true},
		"the plan has seen it":                    {at(v1alpha1.StepPassed, true), run(1), false},
		"the plan has seen that it failed":        {at(v1alpha1.StepFailed, true), run(1), false},
		"the go-live of an earlier plan, same name": {at(v1alpha1.StepWaiting, false), func() *v1alpha1.GoLive {
			r := run(1)
			r.Labels[v1alpha1.OwnerUIDLabel] = "other"
			return r
		}(), false},
	} {
		if got := Expects(c.plan, c.run); got != c.want {
			t.Errorf("%s: expected %v, want %v", name, got, c.want)
		}
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

// A copy whose day has come would be taken away as soon as it is made, again and again.
func TestStagingIsNotMadeTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		says   string
	}{
		"long after the trial": {func(v *View) { v.Trial.CreationTimestamp = metav1.NewTime(v.Now.AddDate(0, 0, -31)) },
			v1alpha1.RetryAnnotation + "=RunTrial@1"},
		"after the plan's day": {func(v *View) { v.Plan.Spec.Staging.Expires = v.Now.AddDate(0, 0, -2).Format("2006-01-02") },
			"give a later day in spec.staging.expires"},
	} {
		v := ready(t)
		c.change(&v)
		b := only(t, v, v1alpha1.StepUpgradeStaging)
		if e := b.run(); e.State != v1alpha1.StepWaiting || e.Reason != "StagingExpired" || len(b.made) > 0 || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %s %s, made %v: %s", name, e.State, e.Reason, b.made, e.Message)
		}
		at := pipeline.PlaceOf(v.Plan, v1alpha1.StepStatus{Children: []v1alpha1.ChildRef{{Name: "copy"}}})
		if wait := v.tooLateForStaging(at); wait != nil {
			t.Errorf("%s: one that was made in time is not followed: %s", name, wait.Message)
		}
	}
}

// In the walk in which a trial or backup that was run again passes, the one before it is
// still in the view: nothing is ordered on what people agreed to then.
func TestNothingIsOrderedOnWhatWasBeforeARepeat(t *testing.T) {
	for name, change := range map[string]func(*View){
		"trial":  func(v *View) { v.Plan.Status.Trial += "-2" },
		"backup": func(v *View) { v.Plan.Status.Backup += "-2" },
	} {
		v := ready(t)
		if wait := notYet(v); wait != nil {
			t.Fatal(wait.Message)
		}
		change(&v)
		if wait := notYet(v); wait == nil || wait.Reason != "Repeating" || wait.Until.IsZero() {
			t.Errorf("%s: %v", name, wait)
		}
	}
}

// Staging expires while people wait for their window: what they agreed to stays the same.
func TestWhatStagingShowedOutlivesIt(t *testing.T) {
	v := ready(t)
	if e := only(t, v, v1alpha1.StepTest).run(); e.State != v1alpha1.StepPassed || v.Plan.Status.StagingVerdict == "" {
		t.Fatalf("Test is %s: %s", e.State, e.Message)
	}
	v.Approvals = nil
	approve(&v, v1alpha1.GateGoLive, "bob", "owners")
	before := gateStatus(v, v1alpha1.GateGoLive)
	v.Staging = nil
	after, wait := gateStatus(v, v1alpha1.GateGoLive), notYet(v)
	if before.State != v1alpha1.GateOpened || after.State != v1alpha1.GateOpened || after.Digest != before.Digest || wait != nil {
		t.Errorf("gate %s, then %s; %v", before.State, after.State, wait)
	}
}
