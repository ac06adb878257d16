// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// What is left out of the plan's terms.
const (
	defaultTrialDays = 21
)

// goLive orders the cutover: not before the gate is open, the window too, and
// what the gate cannot bind (freshness) was checked. gradus-production checks
// all of it again.
var goLive = pipeline.Step[View]{
	Name: v1alpha1.StepGoLive,
	Needs: after(v1alpha1.StepMakeRolloutPlan, v1alpha1.StepTest, v1alpha1.StepConfigure,
		v1alpha1.StepPrepareDocumentation, v1alpha1.StepProvideTraining, v1alpha1.StepPrepareInfrastructure),
	Create: func(v View, at pipeline.At) []client.Object {
		if unordered(v, at) && notYet(v) != nil {
			return nil
		}
		return []client.Object{orderGoLive(v, at)}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if unordered(v, at) {
			if wait := notYet(v); wait != nil {
				return *wait
			}
		}
		run, ok := pipeline.First[*v1alpha1.GoLive](seen)
		if !ok || run == nil {
			return pipeline.Wait("GoingLive", "go-live is ordered")
		}
		ready, stalled := over(run)
		succeeded, known := condition(run, v1alpha1.SucceededCondition)
		switch {
		case shutOut(stalled):
			return pipeline.Fail(stalled.Reason, "go-live %s: %s", run.Name, stalled.Message)
		case isTrue(stalled): // it may go on: whoever is in its way ends, a person retries
			return pipeline.Await(stalled.Reason, "go-live %s: %s", run.Name, stalled.Message)
		case known && isTrue(succeeded):
			return pipeline.Pass("the site serves %s; users were shut out for %s",
				run.Status.Version, outageOf(run).Round(time.Second))
		case failedForGood(run):
			return pipeline.Fail(succeeded.Reason, "go-live %s: %s", run.Name, succeeded.Message)
		}
		for _, s := range run.Status.Steps {
			if s.State == v1alpha1.StepWaiting {
				return pipeline.Await(s.Reason, "go-live %s, %s: %s", run.Name, s.Name, s.Message)
			}
		}
		return pipeline.Wait("GoingLive", "go-live %s: %s", run.Name, ready.Message)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		run, ok := pipeline.First[*v1alpha1.GoLive](seen)
		if !ok || run == nil || v.Plan.Status.Rollout == nil {
			return
		}
		v.Plan.Status.Rollout.ActualOutage = &metav1.Duration{Duration: outageOf(run).Round(time.Second)}
	},
}

// orderOf gives the go-live of this attempt; nil when it is still to be ordered.
// One of an earlier attempt counts as well, unless it is over and has failed.
func orderOf(v View, at pipeline.At) *v1alpha1.GoLive {
	run := v.GoLive
	if run == nil || run.Name == at.Name("golive") ||
		slices.ContainsFunc(at.Entry.Children, func(c v1alpha1.ChildRef) bool { return c.Name == run.Name }) {
		return run
	}
	if _, stalled := over(run); failedForGood(run) || shutOut(stalled) {
		return nil
	}
	return run
}

// Freed says whether a go-live has the site no more: it is gone, or has ended without
// success and holds nothing.
func Freed(run *v1alpha1.GoLive) bool {
	return run == nil || failedForGood(run) && run.Status.Lease == nil
}

// lingers counts what a go-live that was shut out has still on the site. Whoever has the
// lease undoes it, or goes on from it.
func lingers(run *v1alpha1.GoLive) int {
	if run == nil {
		return 0
	}
	if _, stalled := over(run); !shutOut(stalled) || run.Status.Lease == nil {
		return 0
	}
	n := 0
	for _, c := range run.Status.Changes {
		if c.State != v1alpha1.ChangeUndone && c.Undo != v1alpha1.UndoNever {
			n++
		}
	}
	return n
}

// gaveWay says whether a go-live was shut out and has nothing on the site any more: what
// its status holds is another's.
func gaveWay(run *v1alpha1.GoLive) bool {
	_, stalled := over(run)
	return shutOut(stalled) && lingers(run) == 0
}

// unordered says whether this attempt has ordered nothing yet. What it ordered and
// what is gone since is not ordered again.
func unordered(v View, at pipeline.At) bool {
	return orderOf(v, at) == nil && len(at.Entry.Children) == 0
}

// shutOut says whether a go-live stalled because another run has its site: the plan
// must order a new one.
func shutOut(stalled metav1Condition) bool {
	return isTrue(stalled) && stalled.Reason == v1alpha1.LeaseLostReason
}

// failedForGood says whether a go-live has ended without success, and come to rest.
func failedForGood(run *v1alpha1.GoLive) bool {
	succeeded, known := condition(run, v1alpha1.SucceededCondition)
	ready, _ := over(run)
	return known && succeeded.Status == metav1.ConditionFalse && isTrue(ready)
}

// outageOf is the time for which users were shut out.
func outageOf(run *v1alpha1.GoLive) time.Duration {
	if run.Status.Closed == nil || run.Status.Opened == nil {
		return 0
	}
	return run.Status.Opened.Sub(run.Status.Closed.Time)
}

// notYet says why go-live does not begin; nil when it may.
func notYet(v View) *pipeline.Verdict {
	if n := lingers(v.GoLive); n > 0 {
		wait := pipeline.Wait("GoingBack", "go-live %s lost the site with %d of its changes there: they are undone first",
			v.GoLive.Name, n)
		return &wait
	}
	if v.outdated() {
		wait := pipeline.Wait("Repeating", "what was run again is looked at").By(v.Now.Add(time.Second))
		return &wait
	}
	if what := unrehearsed(v); what != "" {
		wait := pipeline.Await("NotRehearsed", "%s", what)
		return &wait
	}
	if wait := repeating(v); wait != nil {
		return wait
	}
	if wait := closed(v, v1alpha1.GateGoLive); wait != nil {
		return wait
	}
	var wait pipeline.Verdict
	// The window may have been given, or moved, since step 6.
	r, err := rollout(v)
	switch {
	case err != nil:
		wait = pipeline.Await("WindowRefused", "%v", err)
	case r.Opens == nil:
		wait = pipeline.Await("NoWindow", "spec.rollout.window is not given; give one, such as "+
			`{opens: "2026-12-19T20:00", closes: "2026-12-20T12:00"}`)
	case v.Now.Before(r.Opens.Time):
		wait = pipeline.Await(v1alpha1.WaitingForWindowReason, "the window opens %s", v.local(r.Opens.Time)).
			By(r.Opens.Time)
	case r.LatestStart != nil && v.Now.After(r.LatestStart.Time):
		wait = pipeline.Await("WindowPassed", "begun now, outage and way back do not end before %s; "+
			"give another window in spec.rollout.window", v.local(r.Closes.Time))
	default:
		if stale := staleness(v); stale != "" {
			wait = pipeline.Await("Stale", "%s", stale)
			return &wait
		}
		return nil
	}
	return &wait
}

// staleness checks what an approval does not bind, because the clock changes it.
func staleness(v View) string {
	age := order.MaxBackupAge
	if a := v.Plan.Spec.Backup.MaxAge; a != nil {
		age = a.Duration
	}
	days := v.Plan.Spec.Trial.MaxAgeDays
	if days == 0 {
		days = defaultTrialDays
	}
	switch {
	case v.Backup == nil || v.Backup.Status.Taken == nil:
		return fmt.Sprintf("backup %s is not there any more", v.Plan.Status.Backup)
	case v.Now.Sub(v.Backup.Status.Taken.Time) > age:
		return fmt.Sprintf("backup %s is older than %s; a newer one is needed: %s",
			v.Backup.Name, age, again(v, v1alpha1.StepBackUp))
	case v.Trial == nil || v.Now.Sub(v.Trial.CreationTimestamp.Time) > time.Duration(days)*24*time.Hour:
		return fmt.Sprintf("the newest passed trial is older than %d days; another is needed: %s",
			days, again(v, v1alpha1.StepRunTrial))
	}
	return ""
}

// again is the command that runs a step once more.
func again(v View, step string) string {
	attempt := int32(1)
	for _, s := range v.Plan.Status.Steps {
		if s.Name == step {
			attempt = max(s.Attempt, 1)
		}
	}
	return fmt.Sprintf("kubectl annotate upgradeplan %s -n %s %s=%s@%d --overwrite",
		v.Plan.Name, v.Plan.Namespace, v1alpha1.RetryAnnotation, step, attempt)
}

// orderGoLive writes the order. It carries the digest that was approved.
func orderGoLive(v View, at pipeline.At) *v1alpha1.GoLive {
	if run := orderOf(v, at); run != nil {
		return run.DeepCopy()
	}
	for _, c := range at.Entry.Children { // it is gone, and the engine says so
		return &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}}
	}
	spec := order.Of(v.Plan)
	spec.Digest = gate.Subject(v1alpha1.GateGoLive, v.facts()).Digest()
	spec.BackupRef, spec.Closes = v1alpha1.LocalRef{Name: v.Plan.Status.Backup}, closes(v)
	return &v1alpha1.GoLive{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v.Plan.Namespace, Name: at.Name("golive"),
			Labels: map[string]string{v1alpha1.PlanUIDLabel: string(v.Plan.UID)},
		},
		Spec: spec,
	}
}

// closes gives the end of the window.
func closes(v View) *metav1.Time {
	r, err := rollout(v)
	if err != nil {
		return nil
	}
	return r.Closes
}

// approveCommand is what a person types to agree.
func approveCommand(v View, g v1alpha1.GateStatus) string {
	return strings.TrimSpace(fmt.Sprintf(
		`kubectl create -n %s -f - <<< '{"apiVersion":"lms.gradus.dev/v1alpha1","kind":"UpgradeApproval",`+
			`"metadata":{"generateName":"%s-%s-"},"spec":{"planRef":{"name":"%s"},"gate":"%s",`+
			`"digest":"%s","decision":"Approve"}}'`,
		v.Plan.Namespace, v.Plan.Name, strings.ToLower(g.Name), v.Plan.Name, g.Name, g.Digest))
}
