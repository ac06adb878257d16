// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func TestResolve(t *testing.T) {
	working := func(b *v1alpha1.SiteBackup) {
		b.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionFalse, Message: "the Job is running"}}
	}
	unproven := func(b *v1alpha1.SiteBackup) {
		meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{
			Type: v1alpha1.VerifiedCondition, Status: metav1.ConditionFalse, Reason: "NotProvenTwice", Message: "files in 1 of 2"})
	}
	for name, c := range map[string]struct {
		backup *v1alpha1.SiteBackup
		change func(*v1alpha1.TrialUpgrade)
		state  v1alpha1.StepState
		reason string
		says   string
	}{
		"a proven backup":           {nightly(), nil, v1alpha1.StepPassed, "Passed", "2 hop(s) to 3.0"},
		"no backup yet":             {nil, nil, v1alpha1.StepWaiting, "BackupNotFound", "nightly"},
		"a backup that is made":     {nightly(working), nil, v1alpha1.StepWaiting, "BackupNotVerified", "the Job is running"},
		"a backup not seen yet":     {&v1alpha1.SiteBackup{Spec: nightly().Spec}, nil, v1alpha1.StepWaiting, "BackupNotVerified", ""},
		"a backup that is unproven": {nightly(unproven), nil, v1alpha1.StepFailed, "BackupNotVerified", "files in 1 of 2"},
		"a backup of another site": {
			nightly(func(b *v1alpha1.SiteBackup) { b.Spec.SiteRef.Name = "library" }), nil, v1alpha1.StepFailed, "OtherSite", "library"},
		"a backup of another version": {
			nightly(func(b *v1alpha1.SiteBackup) { b.Status.Version = "1.5" }), nil, v1alpha1.StepFailed, "VersionDiffers", "begins at 1.0"},
		"a backup of a product without versions": {
			nightly(func(b *v1alpha1.SiteBackup) { b.Status.Version = "" }), nil, v1alpha1.StepPassed, "Passed", ""},
		"no hops": {
			nightly(), func(t *v1alpha1.TrialUpgrade) { t.Spec.Upgrade.Hops = nil }, v1alpha1.StepFailed, "PathBroken", "hops is empty"},
		"a gap between hops": {
			nightly(), func(t *v1alpha1.TrialUpgrade) { t.Spec.Upgrade.Hops[1].From = "2.0" },
			v1alpha1.StepFailed, "PathBroken", "begins at 2.0, not at 1.5"},
		"a first hop from elsewhere": {
			nightly(), func(t *v1alpha1.TrialUpgrade) { t.Spec.Upgrade.From = "0.9" },
			v1alpha1.StepFailed, "PathBroken", "begins at 1.0, not at 0.9"},
		"a stop without images": {
			nightly(), func(t *v1alpha1.TrialUpgrade) { t.Spec.Upgrade.Releases = t.Spec.Upgrade.Releases[:1] },
			v1alpha1.StepFailed, "PathBroken", "no entry for version 3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			trial := rehearsal()
			if c.change != nil {
				c.change(trial)
			}
			got := resolve.Judge(View{Trial: trial, Backup: c.backup}, pipeline.At{}, pipeline.Seen{})
			if got.State != c.state || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s %s: %s", got.State, got.Reason, got.Message)
			}
		})
	}
}

type rehearsalCase struct {
	env    *v1alpha1.StagingEnvironment
	state  v1alpha1.StepState
	reason string
	passed string // of the condition; "" for none
	says   string
}

// rehearsalCases are copies that came to something.
var rehearsalCases = map[string]rehearsalCase{
	"the copy was made":    {nil, v1alpha1.StepRunning, "Rehearsing", "", ""},
	"the copy says naught": {copyOf(), v1alpha1.StepRunning, "Rehearsing", "", ""},
	"the upgrade passed":   {copyOf(ready), v1alpha1.StepPassed, "Passed", "True", "2 hop(s) to 3.0 passed"},
	"a hop broke": {
		copyOf(stalled("Upgrade", "3.0", "PluginDependency", "plugin report_attendance is missing")),
		v1alpha1.StepPassed, "PluginDependency", "False", "hop 2 of 2 (1.5 to 3.0) failed: plugin report_attendance is missing"},
	"a hop was too slow": {
		copyOf(stalled("Upgrade", "1.5", v1alpha1.TimedOutReason, "not done within 4h")),
		v1alpha1.StepPassed, v1alpha1.TimedOutReason, "False", "hop 1 of 2 (1.0 to 1.5)"},
	"rows are missing": {
		copyOf(stalled("Verify", "", "CountsDiffer", "users: 7 before, 6 after")),
		v1alpha1.StepPassed, "CountsDiffer", "False", "verification failed: users"},
	"nobody can sign in": {
		copyOf(stalled("Smoke", "", "CheckFailed", "sign-in: 303 to /login")),
		v1alpha1.StepPassed, "CheckFailed", "False", "smoke checks failed: sign-in"},
	"the application does not start": {
		copyOf(stalled("StartApplication", "", v1alpha1.TimedOutReason, "no pod is ready")),
		v1alpha1.StepPassed, v1alpha1.TimedOutReason, "False", "does not start"},
	"no quota for the copy": {
		copyOf(stalled("CloneVolumes", "files", v1alpha1.TimedOutReason, "exceeded quota")),
		v1alpha1.StepFailed, v1alpha1.TimedOutReason, "", "exceeded quota"},
	"nobody knows how a hop ended": {
		copyOf(stalled("Upgrade", "3.0", v1alpha1.JobLostReason, "container run ended with code 255 (Unknown)")),
		v1alpha1.StepFailed, v1alpha1.JobLostReason, "", "code 255"},
	"the copy is not silent": {
		copyOf(stalled("Neutralise", "", "NotNeutral", "mail is on")), v1alpha1.StepFailed, "NotNeutral", "", "mail is on"},
	"a stranger has the name": {
		copyOf(func(env *v1alpha1.StagingEnvironment) {
			stalled("Resolve", "", v1alpha1.NameConflictReason, "Deployment web")(env)
			env.Status.Steps = nil
		}), v1alpha1.StepWaiting, v1alpha1.NameConflictReason, "", "Deployment web"},
	"a stranger has the name after a hop that failed before": {
		copyOf(func(env *v1alpha1.StagingEnvironment) {
			stalled("Upgrade", "3.0", "StepFailed", "old news")(env)
			env.Status.Conditions[0].Reason = v1alpha1.NameConflictReason
		}), v1alpha1.StepFailed, v1alpha1.NameConflictReason, "", ""},
	"somebody deletes the copy": {
		copyOf(ready, func(env *v1alpha1.StagingEnvironment) { env.DeletionTimestamp = &metav1.Time{Time: noon} }),
		v1alpha1.StepFailed, "CopyGone", "", ""},
}

func TestABrokenUpgradeIsAVerdictAndABrokenTrialIsNot(t *testing.T) {
	for name, c := range rehearsalCases {
		t.Run(name, func(t *testing.T) {
			v := View{Trial: rehearsal(), Backup: nightly()}
			seen := pipeline.Seen{Now: noon}
			if c.env != nil {
				seen.Objects = append(seen.Objects, c.env)
			}
			got := rehearse.Judge(v, pipeline.At{Attempt: 1}, seen)
			if got.State != c.state || got.Reason != c.reason || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s %s: %s", got.State, got.Reason, got.Message)
			}
			rehearse.Record(v, pipeline.At{Attempt: 1}, seen)
			status := v.Trial.Status
			passed := ""
			if condition := meta.FindStatusCondition(status.Conditions, v1alpha1.PassedCondition); condition != nil {
				passed = string(condition.Status)
				if condition.Reason != c.reason || !strings.Contains(condition.Message, c.says) {
					t.Errorf("Passed: %s: %s", condition.Reason, condition.Message)
				}
			}
			if passed != c.passed || (status.ReportDigest != "") != (passed != "") || (len(status.Hops) == 2) != (passed != "") {
				t.Errorf("Passed is %q, digest %q, %d hops", passed, status.ReportDigest, len(status.Hops))
			}
		})
	}
}

func TestTheFailureIsAmongTheFindingsOnce(t *testing.T) {
	broken := stalled("Upgrade", "3.0", "PluginDependency", strings.Repeat("ä", 2000))
	told := func(env *v1alpha1.StagingEnvironment) {
		env.Status.Findings = append(env.Status.Findings, v1alpha1.Finding{
			Severity: v1alpha1.SeverityCritical, Code: "PluginDependency", Message: "told by the agent"})
	}
	for name, c := range map[string]struct {
		env  *v1alpha1.StagingEnvironment
		want int
	}{
		"the agent told it":      {copyOf(broken, told), 2},
		"nobody told it":         {copyOf(broken), 2},
		"nothing was the matter": {copyOf(ready), 1},
	} {
		trial := rehearsal()
		record(trial, c.env, noon)
		if len(trial.Status.Findings) != c.want {
			t.Errorf("%s: %d findings: %+v", name, len(trial.Status.Findings), trial.Status.Findings)
		}
		for _, f := range trial.Status.Findings {
			if len(f.Message) > 1024 || strings.ToValidUTF8(f.Message, "?") != f.Message {
				t.Errorf("%s: a message of %d bytes does not fit the API", name, len(f.Message))
			}
		}
	}
	trial := rehearsal()
	env := copyOf(broken)
	for range 100 {
		env.Status.Findings = append(env.Status.Findings, v1alpha1.Finding{Severity: v1alpha1.SeverityInfo, Code: "X"})
	}
	record(trial, env, noon)
	if n := len(trial.Status.Findings); n != 64 || trial.Status.Findings[0].Code != "PluginDependency" {
		t.Errorf("%d findings, first %s: the API takes 64, and the failure must be among them", n, trial.Status.Findings[0].Code)
	}
}
