// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// children plays the reconcilers that do not work in this run: what they are
// asked for succeeds at once, unless Verdicts says otherwise.
func (w *World) children() {
	for kind, play := range map[string]func(){
		"SiteBackup": w.backups, "TrialUpgrade": w.trials, "StagingEnvironment": w.environments, "GoLive": w.goLives,
	} {
		if !slices.Contains(w.Kinds, kind) && !slices.Contains(w.Busy, kind) {
			play()
		}
	}
}

// begun says whether an object is one to play: nothing was said of it yet, and
// it is not on its way out.
func begun(conditions []metav1.Condition, deleted *metav1.Time) bool {
	return len(conditions) == 0 && deleted.IsZero()
}

func say(conditions *[]metav1.Condition, kind string, status metav1.ConditionStatus, reason string) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: "as the scenario says"})
}

// verdict that a kind's objects end with, and its reason.
func (w *World) verdict(kind string) (metav1.ConditionStatus, string) {
	if reason := w.Verdicts[kind]; reason != "" {
		return metav1.ConditionFalse, reason
	}
	return metav1.ConditionTrue, "Done"
}

// writes a status as the process that would; whoever was deleted meanwhile needs none.
func (w *World) writesStatus(user string, object client.Object) {
	w.Must(client.IgnoreNotFound(w.As(user).Status().Update(w.ctx, object)))
}

func (w *World) trials() {
	var all v1alpha1.TrialUpgradeList
	w.List(&all)
	for i := range all.Items {
		t := &all.Items[i]
		if !begun(t.Status.Conditions, t.DeletionTimestamp) {
			continue
		}
		verdict, reason := w.verdict("TrialUpgrade")
		say(&t.Status.Conditions, v1alpha1.PassedCondition, verdict, reason)
		say(&t.Status.Conditions, v1alpha1.ReadyCondition, metav1.ConditionTrue, reason)
		t.Status.ReportDigest = "sha256:" + digits
		for _, hop := range t.Spec.Upgrade.Hops {
			took := metav1.Duration{Duration: time.Minute}
			t.Status.Hops = append(t.Status.Hops, v1alpha1.HopResult{Hop: hop, Took: &took, Verdict: "Passed"})
			t.Status.Parts = append(t.Status.Parts, v1alpha1.TimedPart{Name: "hop to " + hop.To, Measured: &took})
		}
		w.writesStatus(Manager, t)
	}
}

const digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func (w *World) environments() {
	var all v1alpha1.StagingEnvironmentList
	w.List(&all)
	for i := range all.Items {
		e := &all.Items[i]
		if !begun(e.Status.Conditions, e.DeletionTimestamp) {
			continue
		}
		ready, reason := w.verdict("StagingEnvironment")
		say(&e.Status.Conditions, v1alpha1.ReadyCondition, ready, reason)
		if ready != metav1.ConditionTrue {
			say(&e.Status.Conditions, v1alpha1.StalledCondition, metav1.ConditionTrue, reason)
		}
		e.Status.Version, e.Status.Address = "2.0", "web.copy.svc"
		e.Status.Before = []v1alpha1.Count{{Name: "posts", Value: count(100)}, {Name: "users", Value: "5"}}
		e.Status.After = e.Status.Before
		w.writesStatus(Manager, e)
	}
}

func (w *World) goLives() {
	var all v1alpha1.GoLiveList
	w.List(&all)
	for i := range all.Items {
		g := &all.Items[i]
		if !begun(g.Status.Conditions, g.DeletionTimestamp) {
			continue
		}
		verdict, reason := w.verdict("GoLive")
		say(&g.Status.Conditions, v1alpha1.SucceededCondition, verdict, reason)
		say(&g.Status.Conditions, v1alpha1.ReadyCondition, metav1.ConditionTrue, reason)
		now := metav1.NewTime(w.Clock.Now())
		opened := metav1.NewTime(now.Add(time.Minute))
		g.Status.Version, g.Status.Closed, g.Status.Opened = "2.0", &now, &opened
		w.writesStatus(Production, g)
	}
}
