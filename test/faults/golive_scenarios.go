// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// goLiveSuperseded: the plan is another one than the one agreed to, while the site is closed.
func goLiveSuperseded(w *world.World) {
	quiet(w)
	widen(w, "plan")
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

// goLiveSecondHopFails: the database is half on its way.
func goLiveSecondHopFails(w *world.World) {
	w.Outcomes["go-hop-2-0"] = world.Breaks("CountsDiffer")
	w.Outcomes["back"] = world.Finds("1.0", 100)
	goLive(w, func(p *v1alpha1.UpgradePlan) { p.Spec.Target.Releases = twoReleases })
	w.Until("the last silence", at(w, "go", "ConfirmSilence", v1alpha1.StepRunning))
	w.Mark()
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

var twoReleases = []v1alpha1.Release{{Version: "1.5", Image: "campus:1.5"}, {Version: "2.0", Image: "campus:2.0"}}

// goLiveLeft: nobody of the operator is there while the site is closed. Its
// watchdog opens it, and a watchdog that reaches nobody is waited for.
func goLiveLeft(w *world.World) {
	quiet(w)
	const away, long = 5 * time.Minute, 12 * time.Minute // one that crashed counts the silence anew
	w.Absent(away)
	left, undone := w.Clock.Now(), over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse)
	w.Until("a go-live that was undone", func() bool {
		if since := w.Clock.Since(left); holderOf(w) != "" && since > away-20*time.Second && since < away {
			w.Absent(long - since)
		}
		return undone()
	})
}

// goLiveLeaseDeleted: somebody takes the lock off while the site is closed.
func goLiveLeaseDeleted(w *world.World) {
	quiet(w)
	w.Remove(&coordinationv1.Lease{ObjectMeta: w.Meta("gradus-campus")})
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

// goLiveFull: with the site closed no Job may be made any more.
func goLiveFull(w *world.World) {
	quiet(w)
	w.Fill()
	w.Until("a go-live that was undone", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
	w.Clear()
}

// heldAtHop goes as far as a hop that failed, with the site closed until a person decides.
func heldAtHop(w *world.World) {
	w.Outcomes["go-hop"] = world.Breaks("CountsDiffer")
	goLive(w, func(p *v1alpha1.UpgradePlan) { p.Spec.GoLive.OnFailure = v1alpha1.OnFailureHold })
	w.Until("a hop that runs", at(w, "go", "Hops", v1alpha1.StepRunning, v1alpha1.StepFailed))
	w.Mark()
	w.Until("a go-live that waits for a person", func() bool {
		g := &v1alpha1.GoLive{}
		return w.Get("go", g) && meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
	})
}

// backToFixPoint is what a person orders then.
func backToFixPoint(w *world.World) *v1alpha1.Rollback {
	w.Outcomes["way-"] = world.Finds("1.0", 100)
	return goBack(w, "way", v1alpha1.RollbackSpec{Files: v1alpha1.KeepInPlace,
		To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}})
}

// goLiveHeld: a person goes back from a go-live that failed.
func goLiveHeld(w *world.World) {
	heldAtHop(w)
	back := backToFixPoint(w)
	w.Until("the way back", over(w, back, "way", metav1.ConditionTrue))
	w.Until("a go-live that says that it failed", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionFalse))
}

// goLiveBackEarly: a person orders the way back while the go-live can still be undone. There is no
// fix point to go back to yet, and the go-live goes on.
func goLiveBackEarly(w *world.World) {
	w.Outcomes["-awaitsilence-"] = running
	goLive(w, nil)
	w.Until("a closed site", at(w, "go", "AwaitSilence", v1alpha1.StepRunning))
	w.Mark()
	back := backToFixPoint(w)
	w.Until("a rollback that finds no way", over(w, back, "way", metav1.ConditionFalse))
	w.Undone = false // it never had the site
	delete(w.Outcomes, "-awaitsilence-")
	w.Until("a go-live that succeeded", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionTrue))
}

// goLiveDeletedLate: past the point of no return it stays until a rollback has the site.
func goLiveDeletedLate(w *world.World) {
	w.Outcomes["go-hop"] = running
	goLive(w, nil)
	w.Until("a hop that runs", at(w, "go", "Hops", v1alpha1.StepRunning))
	w.Mark()
	g := &v1alpha1.GoLive{ObjectMeta: w.Meta("go")}
	w.Remove(g)
	w.Until("a go-live that waits for a person", func() bool {
		return w.Get("go", g) && meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
	})
	back := backToFixPoint(w)
	w.Until("the way back", over(w, back, "way", metav1.ConditionTrue))
	w.Until("no go-live", func() bool { return !w.Get("go", g) })
}

// goLiveDeletedOpen: deleted when users are in and the rest is still to be let go.
func goLiveDeletedOpen(w *world.World) {
	goLive(w, nil)
	w.Until("the doors that open", at(w, "go", "OpenDoors", v1alpha1.StepPassed))
	w.Mark()
	g := &v1alpha1.GoLive{ObjectMeta: w.Meta("go")}
	w.Remove(g)
	w.Until("no go-live", func() bool { return !w.Get("go", g) })
}

// goLiveBack: users are in, and a person goes back at a price.
func goLiveBack(w *world.World) {
	goLive(w, nil)
	w.Until("a go-live that succeeded", over(w, &v1alpha1.GoLive{}, "go", metav1.ConditionTrue))
	w.Mark()
	back := price(w, v1alpha1.RollbackSpec{Files: v1alpha1.KeepInPlace,
		To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}})
	confirm(w, back, v1alpha1.DecisionApprove)
	w.Until("the way back", over(w, back, "way", metav1.ConditionTrue))
}
