// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// Scenario is a story that is told once without faults, and then with each.
type Scenario struct {
	Name string
	// Kinds whose reconcilers work.
	Kinds []string
	// Play does what people do, and ticks until the story is over.
	Play func(*world.World)
}

// closes says whether a site is closed in a story, so that there is a watchdog.
func (s Scenario) closes() bool { return slices.Contains(s.Kinds, "GoLive") }

var (
	production = []string{"GoLive", "Rollback"}
	copies     = []string{"SiteBackup", "StagingEnvironment"}
	rehearsal  = slices.Concat(copies, []string{"TrialUpgrade"})
	plans      = []string{"Site", "UpgradePlan"}
	ordered    = slices.Concat(production, plans)
	everything = slices.Concat(production, rehearsal, plans)
)

// Scenarios are all stories. A new step or kind needs no test here, at most a story.
var Scenarios = []Scenario{
	{"golive", production, func(w *world.World) {
		goLive(w, nil)
		w.Until("a go-live that succeeded", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionTrue))
	}},
	{"golive-fails", production, goLiveFails},
	{"golive-scales", production, goLiveScales},
	{"golive-deleted", production, goLiveDeleted},
	{"golive-aborted", production, goLiveAborted},
	{"golive-withdrawn", production, goLiveWithdrawn},
	{"rollback-keep", production, func(w *world.World) { rollback(w, v1alpha1.KeepInPlace) }},
	{"rollback-restore", production, func(w *world.World) { rollback(w, v1alpha1.RestoreFiles) }},
	{"golive-superseded", production, goLiveSuperseded},
	{"golive-hop-2-fails", production, goLiveSecondHopFails},
	{"golive-left", production, goLiveLeft},
	{"golive-lease-deleted", production, goLiveLeaseDeleted},
	{"golive-full", production, goLiveFull},
	{"golive-held", production, goLiveHeld},
	{"golive-back-early", production, goLiveBackEarly},
	{"golive-deleted-late", production, goLiveDeletedLate},
	{"golive-deleted-open", production, goLiveDeletedOpen},
	{"golive-back", production, goLiveBack},
	{"golive-looked", production, goLiveLooked},
	{"golive-rejected", production, goLiveRejected},
	{"backup", copies, func(w *world.World) {
		w.Create(backup(w))
		w.Until("a verified backup", ready(w, &v1alpha1.SiteBackup{}, "backup"))
	}},
	{"rollback-refused", production, rollbackRefused},
	{"rollback-withdrawn", production, rollbackWithdrawn},
	{"rollback-withdrawn-early", production, rollbackWithdrawnEarly},
	{"rollback-deleted", production, rollbackDeleted},
	{"rollback-fails", production, rollbackFails},
	{"rollback-again", production, rollbackAgain},
	{"backup-refused", copies, backupRefused},
	{"backup-never-ready", copies, backupNeverReady},
	{"backup-lost", copies, backupLost},
	{"backup-full", copies, backupFull},
	{"environment", copies, environment},
	{"environment-deleted", copies, environmentDeleted},
	{"environment-deleted-early", copies, environmentDeletedEarly},
	{"environment-expires", copies, environmentExpires},
	{"environment-lost", copies, environmentLost},
	{"trial", rehearsal, trial},
	{"trial-fails", rehearsal, trialFails},
	{"trial-hop-2-fails", rehearsal, trialSecondHopFails},
	{"trial-deleted", rehearsal, trialDeleted},
	{"plan", plans, planned},
	{"plan-rejected", plans, planRejected},
	{"plan-trial-fails", plans, planTrialFails},
	{"plan-deleted", plans, planDeleted},
	{"plan-paused", plans, planPaused},
	{"plan-aborted", plans, planAborted},
	{"plan-waits-for-another", plans, planWaits},
	{"plan-waits-for-live", plans, planWaitsForLive},
	{"plan-withdrawn", plans, planWithdrawn},
	{"plan-superseded", plans, planSuperseded},
	{"plan-deleted-closed", ordered, func(w *world.World) { planClosed(w, remove) }},
	{"plan-aborted-closed", ordered, func(w *world.World) { planClosed(w, abort) }},
	{"plan-golive-deleted", ordered, planGoLiveDeleted},
	{"plan-paused-closed", ordered, planPausedClosed},
	{"plan-aborted-late", ordered, planEndedLate(abort)},
	{"plan-deleted-late", ordered, planEndedLate(remove)},
	{"plan-aborted-in-support", ordered, planAbortedInSupport},
	{"plan-golive-retried", ordered, planGoLiveRetried},
	{"plan-paused-at-backup", plans, pausedAt(v1alpha1.StepBackUp, "SiteBackup")},
	{"plan-paused-at-trial", plans, pausedAt(v1alpha1.StepRunTrial, "TrialUpgrade")},
	{"plan-paused-at-staging", plans, pausedAt(v1alpha1.StepUpgradeStaging, "StagingEnvironment")},
	{"plan-aborted-at-backup", plans, endedAt(v1alpha1.StepBackUp, "SiteBackup", abort)},
	{"plan-aborted-at-trial", plans, endedAt(v1alpha1.StepRunTrial, "TrialUpgrade", abort)},
	{"plan-aborted-at-staging", plans, endedAt(v1alpha1.StepUpgradeStaging, "StagingEnvironment", abort)},
	{"plan-deleted-at-backup", plans, endedAt(v1alpha1.StepBackUp, "SiteBackup", remove)},
	{"plan-deleted-at-trial", plans, endedAt(v1alpha1.StepRunTrial, "TrialUpgrade", remove)},
	{"plan-deleted-at-staging", plans, endedAt(v1alpha1.StepUpgradeStaging, "StagingEnvironment", remove)},
}

// Whole tells everything at once. It is long, and its parts have stories of their
// own: its plans are run by Replay only.
var Whole = Scenario{"whole", everything, planned}

// scenario finds one by name.
func scenario(name string) (Scenario, bool) {
	for _, s := range append(Scenarios, Whole) {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// run is a GoLive or Rollback.
type run interface {
	client.Object
	GetConditions() *[]metav1.Condition
}

// over says whether a run has ended, with this verdict.
func over(w *world.World, into run, name string, verdict metav1.ConditionStatus) func() bool {
	return func() bool {
		if !w.Get(name, into) {
			return false
		}
		conditions := *into.GetConditions()
		c := meta.FindStatusCondition(conditions, v1alpha1.SucceededCondition)
		if c != nil && c.Status == metav1.ConditionFalse && w.Gone != "" {
			w.Undone = true // nobody was there: it ends as if it had never been
		} else if c != nil && c.Status != verdict {
			w.Stop("%s ended as %s: %s", name, c.Reason, c.Message)
		}
		return c != nil && meta.IsStatusConditionTrue(conditions, v1alpha1.ReadyCondition)
	}
}

// goLive makes an approved plan, its backup, and the go-live that it orders.
func goLive(w *world.World, change func(*v1alpha1.UpgradePlan)) {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta("plan"), Spec: v1alpha1.UpgradePlanSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"},
		Target:  v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
	}}
	closes := window(w, plan)
	if change != nil {
		change(plan)
	}
	w.Must(w.As("planner@campus.example").Create(w.Context(), plan))
	for _, hop := range hops(plan.Spec.Target.Releases) {
		plan.Status.Hops = append(plan.Status.Hops, v1alpha1.HopResult{Hop: hop})
	}
	plan.Status.Summary.From = "1.0"
	manager := w.As(world.Manager)
	w.Must(manager.Status().Update(w.Context(), plan))
	digest := subject(w, plan, v1alpha1.GateGoLive)
	w.Create(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("yes"), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: "plan"}, Gate: v1alpha1.GateGoLive, Digest: digest,
		Decision: v1alpha1.DecisionApprove}})
	w.Create(backup(w))
	g := &v1alpha1.GoLive{ObjectMeta: w.Meta("go"), Spec: order.Of(plan)}
	g.Spec.Digest, g.Spec.BackupRef, g.Spec.Closes = digest, v1alpha1.LocalRef{Name: "backup"}, &closes
	w.Must(manager.Create(w.Context(), g))
}

// hops gives the way over releases from what runs.
func hops(releases []v1alpha1.Release) []v1alpha1.Hop {
	from := "1.0"
	var out []v1alpha1.Hop
	for _, r := range releases {
		out = append(out, v1alpha1.Hop{From: from, To: r.Version})
		from = r.Version
	}
	return out
}

// window gives a plan one that is open, and its end.
func window(w *world.World, plan *v1alpha1.UpgradePlan) metav1.Time {
	opens := w.Clock.Now().UTC().Truncate(time.Minute)
	closes := opens.Add(48 * time.Hour)
	const layout = "2006-01-02T15:04"
	plan.Spec.Rollout.Window = &v1alpha1.Window{Opens: opens.Format(layout), Closes: closes.Format(layout)}
	return metav1.NewTime(closes)
}

func backup(w *world.World) *v1alpha1.SiteBackup {
	return &v1alpha1.SiteBackup{ObjectMeta: w.Meta("backup"),
		Spec: v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}}}
}

// subject gives the digest that an approval of a gate must carry.
func subject(w *world.World, plan *v1alpha1.UpgradePlan, of string) string {
	site := &v1alpha1.Site{}
	w.Get("campus", site)
	known, err := profile.Load(site.Spec.Profile)
	w.Must(err)
	facts := gate.Facts{Plan: plan, Site: site, ProfileDigest: known.Digest(), AgentImage: world.Image}
	return gate.Subject(of, facts).Digest()
}

// goLiveFails: the hop fails past the point of no return, and the site goes back by itself.
func goLiveFails(w *world.World) {
	w.Outcomes["go-hop"] = world.Breaks("CountsDiffer")
	w.Outcomes["back"] = world.Finds("1.0", 100)
	goLive(w, nil)
	w.Until("a hop that runs", at(w, "go", "Hops", v1alpha1.StepRunning, v1alpha1.StepFailed))
	w.Mark()
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

// goLiveScales: more pods until support ends.
func goLiveScales(w *world.World) {
	goLive(w, func(p *v1alpha1.UpgradePlan) {
		p.Spec.Infrastructure.Scale = []v1alpha1.WorkloadScale{{Workload: "web", Replicas: 5}}
	})
	w.Until("a hop that runs", at(w, "go", "Hops", v1alpha1.StepRunning, v1alpha1.StepPassed))
	w.Mark()
	g := &v1alpha1.GoLive{}
	w.Until("a go-live that succeeded", over(w, g, "go", metav1.ConditionTrue))
	plan := &v1alpha1.UpgradePlan{}
	w.Get("plan", plan)
	plan.Status.Steps = []v1alpha1.StepStatus{{Name: v1alpha1.StepSupport, State: v1alpha1.StepPassed, Attempt: 1}}
	w.Must(w.As(world.Manager).Status().Update(w.Context(), plan))
	w.Until("pods as before", func() bool {
		w.Get("go", g)
		return len(v1alpha1.Standing(g.Status.Changes)) == 0 && g.Status.Lease == nil
	})
}

// quiet goes as far as the closed site waits for its last requests.
func quiet(w *world.World) {
	w.Outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	goLive(w, nil)
	w.Until("a closed site", at(w, "go", "AwaitSilence", v1alpha1.StepRunning))
	w.Mark()
	delete(w.Outcomes, "-awaitsilence-")
}

// goLiveDeleted: whoever deletes a go-live before the point of no return gets the site as it was.
func goLiveDeleted(w *world.World) {
	quiet(w)
	g := &v1alpha1.GoLive{ObjectMeta: w.Meta("go")}
	w.Must(w.Person.Delete(w.Context(), g))
	w.Until("no go-live", func() bool { return !w.Get("go", g) })
}

// goLiveAborted: the plan is aborted while the site is closed.
func goLiveAborted(w *world.World) {
	quiet(w)
	plan := &v1alpha1.UpgradePlan{}
	w.Get("plan", plan)
	metav1.SetMetaDataAnnotation(&plan.ObjectMeta, v1alpha1.AbortAnnotation, "we go another way")
	w.Must(w.Person.Update(w.Context(), plan))
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

// goLiveWithdrawn: the yes is taken back while the site is closed.
func goLiveWithdrawn(w *world.World) {
	quiet(w)
	w.Must(w.Person.Delete(w.Context(), &v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("yes")}))
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

// backupRefused: the driver cannot take a snapshot, and then it can.
func backupRefused(w *world.World) {
	w.Driver = "the array is full"
	w.Create(backup(w))
	w.Until("a backup that tells of the driver", func() bool {
		b := &v1alpha1.SiteBackup{}
		return w.Get("backup", b) && slices.ContainsFunc(b.Status.Steps, func(e v1alpha1.StepStatus) bool {
			return e.Reason == "SnapshotError"
		})
	})
	w.Mark()
	w.Driver = ""
	w.Until("a verified backup", ready(w, &v1alpha1.SiteBackup{}, "backup"))
}
