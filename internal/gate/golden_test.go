// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// decided is a subject with something in every part.
func decided() Facts {
	return Facts{
		Plan: &v1alpha1.UpgradePlan{
			ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn", UID: planUID},
			Spec: v1alpha1.UpgradePlanSpec{
				SiteRef: v1alpha1.LocalRef{Name: "campus"},
				Target:  v1alpha1.Target{Version: "3.0", Releases: []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "3.0", Image: "campus:3.0"}}},
				Rollout: v1alpha1.Rollout{Window: &v1alpha1.Window{Opens: "2026-12-19T20:00", Closes: "2026-12-20T12:00"}},
				Backup:  v1alpha1.BackupTerms{MaxAge: &metav1.Duration{Duration: 12 * time.Hour}},
				Requirements: v1alpha1.Requirements{DropPlugins: []v1alpha1.DroppedPlugin{
					{Component: "block_links", Because: "nobody uses it"},
				}},
			},
			Status: v1alpha1.UpgradePlanStatus{
				Inventory: &v1alpha1.InventoryStatus{Digest: "sha256:aa"},
				Hops:      []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "1.5"}}, {Hop: v1alpha1.Hop{From: "1.5", To: "3.0"}}},
				Summary:   v1alpha1.PlanSummary{From: "1.0"},
			},
		},
		Site: &v1alpha1.Site{
			ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus"},
			Spec:       v1alpha1.SiteSpec{Profile: "campus", URL: "https://campus.example", TimeZone: "Europe/Berlin"},
		},
		Trial: &v1alpha1.TrialUpgrade{
			ObjectMeta: metav1.ObjectMeta{Name: "autumn-trial-1"},
			Status: v1alpha1.TrialUpgradeStatus{ReportDigest: "sha256:bbbbbbbbbbbb",
				Conditions: []metav1.Condition{{Type: v1alpha1.PassedCondition, Status: metav1.ConditionTrue, Reason: "Passed"}}},
		},
		Staging: &v1alpha1.StagingEnvironment{Status: v1alpha1.StagingEnvironmentStatus{
			Version: "3.0", Address: "http://campus-web.copy.svc",
			Hops: []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "1.5"}, Verdict: "Passed"}},
		}},
		ProfileDigest: "sha256:cc", AgentImage: "gradus@sha256:dd",
	}
}

// The digest of this subject is part of the format: when it changes, every
// approval that was given before the update of Gradus is void. Then the format
// gets a new number.
func TestGolden(t *testing.T) {
	s := Subject(v1alpha1.GateGoLive, decided())
	content, err := os.ReadFile("testdata/subject.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(s.Canonical()) + "\n"; got != string(content) {
		t.Errorf("the subject is now\n%s", got)
	}
	const want = "sha256:cc0e98b9245148c8f0377c5859aa2287da9da1addc2a7d81c761dd4bd0143e6b"
	if got := s.Digest(); got != want {
		t.Errorf("the digest is now %s, want %s", got, want)
	}
}

func TestWhatVoidsAndWhatDoesNot(t *testing.T) {
	day := metav1.NewTime(noon)
	for name, c := range map[string]struct {
		change func(*Facts)
		voids  bool
	}{
		"the image of Gradus":              {func(f *Facts) { f.AgentImage = "gradus@sha256:ee" }, true},
		"the profile":                      {func(f *Facts) { f.ProfileDigest = "sha256:ee" }, true},
		"the inventory":                    {func(f *Facts) { f.Plan.Status.Inventory.Digest = "sha256:ee" }, true},
		"a plan deleted and applied again": {func(f *Facts) { f.Plan.UID = "another" }, true},
		"another outcome of a trial":       {func(f *Facts) { f.Trial.Status.ReportDigest = "sha256:ee" }, true},
		"the path":                         {func(f *Facts) { f.Plan.Status.Hops = f.Plan.Status.Hops[1:] }, true},
		"a serious finding on staging": {func(f *Facts) {
			f.Staging.Status.Findings = []v1alpha1.Finding{{Severity: v1alpha1.SeverityMajor, Code: "X"}}
		}, true},
		"what staging serves":                   {func(f *Facts) { f.Staging.Status.Version = "2.0" }, true},
		"a longer window":                       {func(f *Facts) { f.Plan.Spec.Rollout.Window.Closes = "2026-12-20T18:00" }, true},
		"an older backup than was agreed":       {func(f *Facts) { f.Plan.Spec.Backup.MaxAge.Duration *= 100 }, true},
		"the zone in which the window is read":  {func(f *Facts) { f.Site.Spec.TimeZone = "America/New_York" }, true},
		"a further trial with the same outcome": {func(f *Facts) { f.Trial.Name = "autumn-trial-2" }, false},
		"staging has expired": {func(f *Facts) {
			f.Plan.Status.StagingVerdict, f.Staging = StagingVerdict(f.Staging), nil
		}, false},
		"staging is gone before its tests passed": {func(f *Facts) { f.Staging = nil }, true},
		"a small finding on staging": {func(f *Facts) {
			f.Staging.Status.Findings = []v1alpha1.Finding{{Severity: v1alpha1.SeverityMinor, Code: "X"}}
		}, false},
		"how long a hop took":                     {func(f *Facts) { f.Plan.Status.Hops[0].Took = &metav1.Duration{Duration: time.Hour} }, false},
		"when the stock was taken":                {func(f *Facts) { f.Plan.Status.Inventory.Taken = day }, false},
		"how big the database is":                 {func(f *Facts) { f.Plan.Status.Inventory.DatabaseBytes = 7 }, false},
		"a newer backup":                          {func(f *Facts) { f.Plan.Status.Backup = "tonight" }, false},
		"the address of staging":                  {func(f *Facts) { f.Staging.Status.Address = "http://elsewhere" }, false},
		"labels, annotations, generation":         {func(f *Facts) { f.Plan.Generation = 7; f.Plan.Annotations = map[string]string{"a": "b"} }, false},
		"a freeze that was added to the calendar": {func(f *Facts) { f.Site.Spec.Calendar.Freezes = []v1alpha1.Freeze{{Name: "exams"}} }, false},
	} {
		f := decided()
		before := Subject(v1alpha1.GateGoLive, f).Digest()
		c.change(&f)
		if voids := Subject(v1alpha1.GateGoLive, f).Digest() != before; voids != c.voids {
			t.Errorf("%s: voids approvals: %v, want %v", name, voids, c.voids)
		}
	}
	f := decided()
	if Subject(v1alpha1.GateGoLive, f).Digest() == Subject(v1alpha1.GateOpen, f).Digest() {
		t.Error("an approval of one gate would open another")
	}
}

// Gate CopyData is decided before the first copy. What is found on copies
// later must not close it again: a backup may have to be repeated.
func TestCopyDataIsNotVoidedByWhatComesLater(t *testing.T) {
	f := decided()
	f.Trial, f.Staging = nil, nil
	before := Subject(v1alpha1.GateCopyData, f).Digest()
	if later := Subject(v1alpha1.GateCopyData, decided()).Digest(); later != before {
		t.Error("a trial voids the approval by which it was made")
	}
	f.Site.Spec.Copies.Secrets = []string{"smtp"}
	if Subject(v1alpha1.GateCopyData, f).Digest() == before {
		t.Error("copies may see more than was agreed to")
	}
}

func TestSummary(t *testing.T) {
	f := decided()
	f.Plan.Status.Rollout = &v1alpha1.RolloutStatus{
		PredictedOutage: &metav1.Duration{Duration: 90 * time.Minute}, PredictedBack: &metav1.Duration{Duration: time.Hour},
	}
	want := strings.Join([]string{
		"campus: 1.0 to 3.0", "stops: 1.5, 3.0", "goes live: campus:3.0", "trial autumn-trial-1 passed, report bbbbbbbb",
		"staging serves 3.0 at http://campus-web.copy.svc",
		"nobody signed in to staging: the Site names no account for it in spec.probeAccountSecretRef", "closed for users: 1h30m0s, way back: 1h0m0s (with margin)",
		"plugin block_links is dropped: nobody uses it",
	}, "\n")
	if got := strings.Join(Summary(f), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	gone := f
	gone.Plan, gone.Staging = f.Plan.DeepCopy(), nil
	gone.Plan.Status.StagingVerdict = StagingVerdict(f.Staging)
	if got := strings.Join(Summary(gone), "\n"); !strings.Contains(got, "staging passed its tests and is not there any more") {
		t.Errorf("nobody is told that staging is gone\n%s", got)
	}
	f.Site.Spec.ProbeAccount = &v1alpha1.LocalRef{Name: "campus-probe"}
	if got := strings.Join(Summary(f), "\n"); strings.Contains(got, "signed in") {
		t.Errorf("somebody signed in, and people are told\n%s", got)
	}
	for range 30 {
		f.Plan.Spec.Requirements.DropPlugins = append(f.Plan.Spec.Requirements.DropPlugins,
			v1alpha1.DroppedPlugin{Component: "block_x", Because: strings.Repeat("ä", 300)})
	}
	lines := Summary(f)
	if len(lines) != 10 || !strings.Contains(lines[9], "more plugins") {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	for _, line := range lines {
		if len(line) > 256 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
}
