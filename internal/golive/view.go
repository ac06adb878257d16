// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package golive takes a live site to its target, in place: closed, fixed,
// upgraded, proven, opened. Before the point of no return every failure puts
// the site back; after it the site stays closed until it is proven.
package golive

import (
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// View is what the steps decide from; all of it is read live.
type View struct {
	*closing.Scene
	GoLive *v1alpha1.GoLive
	// Backup on which the go-live rests, and the one taken with the site closed.
	Backup, FixPoint *v1alpha1.SiteBackup
	// Sought is the name under which the fix point was looked for.
	Sought string
	// Plan is nil when it is gone, or another one by UID.
	Plan *v1alpha1.UpgradePlan
	// Digest of gate GoLive's subject, computed again, and who approved it.
	Digest string
	Gate   v1alpha1.GateStatus
	// Unrehearsed says in what the order is not what trial and staging have seen.
	Unrehearsed string
	// Open is gate Open, where the plan has one.
	Open v1alpha1.GateStatus
	// Autoscalers of the site's namespace, where the plan scales.
	Autoscalers []autoscalingv2.HorizontalPodAutoscaler
	// HopPods counts what has not ended of the hops, by Job; read when one is retried.
	HopPods map[string]int
	// Rollback that was made and of which the ledger does not know yet.
	Rollback *v1alpha1.Rollback
}

func (v View) target() string {
	hops := v.GoLive.Spec.Upgrade.Hops
	return hops[len(hops)-1].To
}

// images gives what a release runs, by container.
func (v View) images(version string) map[string]v1alpha1.ContainerImage {
	return environment.Images(v.Site, v.GoLive.Spec.Upgrade.Releases, version)
}

func run(v View) closing.Run { return v.GoLive }

// nobody: a go-live takes over from no other run.
func nobody(View) []v1alpha1.StepStatus { return nil }

// entry gives the ledger's entry of a step.
func (v View) entry(name, key string) v1alpha1.StepStatus {
	for _, e := range v.GoLive.Status.Steps {
		if e.Name == name && e.Key == key {
			return e
		}
	}
	return v1alpha1.StepStatus{}
}

func verified(b *v1alpha1.SiteBackup) bool {
	return b != nil && meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.VerifiedCondition)
}

// Objection says what stands against touching production, most telling first;
// nil when nothing does. It is asked before the first change and again right
// before the point of no return.
func (v View) Objection() *pipeline.Verdict {
	for _, objection := range []func(View) *pipeline.Verdict{
		View.GivenUp, fixPointMustStand, orderMustBeApproved, backupMustBeGood, windowMustBeOpen, cronJobsMustBeKnown,
		journalMustSuffice,
	} {
		if no := objection(v); no != nil {
			return no
		}
	}
	return nil
}

// against gives an objection.
func against(reason, format string, a ...any) *pipeline.Verdict {
	verdict := pipeline.Fail(reason, format, a...)
	return &verdict
}

// GivenUp says that the plan is gone, or was given up; nil when it stands.
func (v View) GivenUp() *pipeline.Verdict {
	name := v.GoLive.Spec.PlanRef.Name
	switch {
	case v.Plan == nil:
		return against("PlanNotFound", "UpgradePlan %s is gone, or is another one of this name", name)
	case !v.Plan.DeletionTimestamp.IsZero():
		return against("PlanDeleted", "UpgradePlan %s is being deleted", name)
	case v.Plan.Annotations[v1alpha1.AbortAnnotation] != "":
		return against("PlanAborted", "UpgradePlan %s was aborted: %s", name, v.Plan.Annotations[v1alpha1.AbortAnnotation])
	}
	return nil
}

func fixPointMustStand(v View) *pipeline.Verdict {
	name := v.GoLive.Status.FixPoint
	switch {
	case name != v.Sought:
		// After a crash several steps can pass at once: it is known since this
		// picture of the world was taken.
		wait := pipeline.Wait("BackingUp", "SiteBackup %s is looked at once more", name).By(v.Now.Add(time.Second))
		return &wait
	case name != "" && !verified(v.FixPoint):
		return against("FixPointGone", "SiteBackup %s, the way back of this run, is gone or not verified", name)
	}
	return nil
}

// orderMustBeApproved: what would be done is what the plan orders, and what people agreed to.
func orderMustBeApproved(v View) *pipeline.Verdict {
	spec := v.GoLive.Spec
	switch {
	case v.Digest != spec.Digest:
		return against("SubjectChanged", "what was approved (%s) is not what would be done now (%s)", spec.Digest, v.Digest)
	case order.Strays(spec, v.Plan) != "":
		return against("NotTheOrder", "%s is not what UpgradePlan %s orders", order.Strays(spec, v.Plan), v.Plan.Name)
	case v.Unrehearsed != "":
		return against("NotRehearsed", "%s", v.Unrehearsed)
	case v.Gate.State != v1alpha1.GateOpened:
		return against("NotApproved", "gate GoLive is %s", v.Gate.State)
	}
	return nil
}

func backupMustBeGood(v View) *pipeline.Verdict {
	spec := v.GoLive.Spec
	maxAge := order.MaxBackupAge
	if spec.MaxBackupAge != nil {
		maxAge = spec.MaxBackupAge.Duration
	}
	switch {
	case v.Backup == nil || !verified(v.Backup):
		return against("BackupNotVerified", "SiteBackup %s is not verified", spec.BackupRef.Name)
	case v.Backup.Spec.SiteRef != spec.SiteRef:
		return against("BackupOfAnother", "SiteBackup %s is of Site %s", v.Backup.Name, v.Backup.Spec.SiteRef.Name)
	case v.FixPoint == nil && (v.Backup.Status.Taken == nil || v.Now.Sub(v.Backup.Status.Taken.Time) > maxAge):
		return against("BackupTooOld", "SiteBackup %s is older than %s", spec.BackupRef.Name, maxAge)
	}
	return nil
}

// windowMustBeOpen: the window that the plan has now. The order's own word for
// its end counts only as far as it is the same.
func windowMustBeOpen(v View) *pipeline.Verdict {
	window := v.Plan.Spec.Rollout.Window
	if window == nil {
		return against("NoWindow", "UpgradePlan %s has no spec.rollout.window", v.Plan.Name)
	}
	zone, err := time.LoadLocation(v.Site.Spec.TimeZone)
	if err != nil {
		return against("WindowRefused", "Site %s, spec.timeZone: %v", v.Site.Name, err)
	}
	opens, closes, err := order.Window(*window, v.Site, zone)
	said := v.GoLive.Spec.Closes
	switch {
	case err != nil:
		return against("WindowRefused", "%v", err)
	case said == nil || !said.Time.Equal(closes):
		return against("NotTheOrder", "spec.closes is not the end of the window of UpgradePlan %s", v.Plan.Name)
	case v.Now.Before(opens):
		return against("WindowNotOpen", "the window opens at %s", opens.UTC().Format(time.RFC3339))
	case v.Now.After(closes):
		return against("WindowClosed", "the window closed at %s", closes.UTC().Format(time.RFC3339))
	}
	return nil
}

// Remember notes when somebody else let users in past the point of no return: the run halts, and
// what they write meanwhile is lost by going back. Nobody sees that later, when the page is back.
func (v View) Remember() {
	if v.Held() && v.Bypassed && v.shut() && v.GoLive.Status.Bypassed == nil {
		v.GoLive.Status.Bypassed = &metav1.Time{Time: v.Now}
	}
}

// opened says whether users were let in.
func (v View) opened() bool { return v.GoLive.Status.Opened != nil }

// Over says how a run that ended stands; the second value is false while it
// goes on. A run is one attempt: once what it held is given back, nothing of
// it is tried again, and its plan makes a new GoLive.
func Over(g *v1alpha1.GoLive) (pipeline.Verdict, bool) {
	var failed *v1alpha1.StepStatus
	ended := replaced(g)
	for i, e := range g.Status.Steps {
		switch {
		case e.State == v1alpha1.StepFailed && failed == nil:
			failed = &g.Status.Steps[i]
		case e.Name == "ReleaseLease" && e.State == v1alpha1.StepPassed:
			return pipeline.Pass("the site serves %s", g.Status.Version), true
		case e.Name == "GiveBack" && (e.State == v1alpha1.StepPassed || e.Reason == "NothingHeld"),
			e.Name == StepRollBack && e.State == v1alpha1.StepPassed:
			ended = true
		}
	}
	if !ended || failed == nil {
		return pipeline.Verdict{}, false
	}
	return pipeline.Fail(failed.Reason, "%s: %s", failed.Name, failed.Message), true
}

// replaced says whether a rollback that a person ordered has the site, for good:
// a run past the point of no return holds it until then. A way back of its own
// that comes to its end ends the run by its step; where it did not, another one has the site.
func replaced(g *v1alpha1.GoLive) bool {
	if g.Status.Lease != nil || g.Status.Opened != nil || !closing.PastCommit(g.Status.Steps) {
		return false
	}
	working := closing.Working(g.Status.Steps)
	ends := g.Status.Steps[len(working):]
	return pipeline.Over(ends) &&
		!slices.ContainsFunc(working, func(e v1alpha1.StepStatus) bool {
			return e.State == v1alpha1.StepRunning || e.State == v1alpha1.StepWaiting
		}) &&
		!slices.ContainsFunc(ends, func(e v1alpha1.StepStatus) bool {
			return e.Name == StepRollBack && e.State != v1alpha1.StepSkipped && e.State != v1alpha1.StepFailed
		})
}

// GivesWay says whether a go-live with the doors closed lets a rollback take
// the site over from it: it failed, it was deleted and only ends, or it waits
// for a person, who says by the Rollback what is to be done. A pod of a hop may
// still run: the rollback asks the cluster for it, see AwaitHops.
func GivesWay(g *v1alpha1.GoLive) bool {
	if g == nil || !closing.PastCommit(g.Status.Steps) || g.Status.Opened != nil {
		return false
	}
	stands := slices.ContainsFunc(closing.Working(g.Status.Steps), func(e v1alpha1.StepStatus) bool {
		return e.State == v1alpha1.StepFailed || e.State == v1alpha1.StepWaiting
	})
	return stands || !g.DeletionTimestamp.IsZero() && !closing.Opening(g.Status.Steps) ||
		meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
}
