// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// rollback: a person goes back to a backup, is told the price, and another confirms it.
func rollback(w *world.World, files v1alpha1.FilesWay) {
	back := priced(w, files)
	confirm(w, back, v1alpha1.DecisionApprove)
	w.Until("the way back", over(w, back, "way", metav1.ConditionTrue))
}

// priced goes as far as a rollback to a backup that tells its price.
func priced(w *world.World, files v1alpha1.FilesWay) *v1alpha1.Rollback {
	site := &v1alpha1.Site{}
	w.Get("campus", site)
	site.Status.Version = "1.0"
	w.Must(w.As(world.Manager).Status().Update(w.Context(), site))
	w.Create(backup(w))
	return price(w, v1alpha1.RollbackSpec{Files: files,
		To: v1alpha1.RollbackTarget{BackupRef: &v1alpha1.LocalRef{Name: "backup"}}})
}

// price orders a rollback, and waits until it says what would be lost.
func price(w *world.World, spec v1alpha1.RollbackSpec) *v1alpha1.Rollback {
	for _, job := range []string{"price", "recount"} {
		w.Outcomes["way-"+job] = world.Finds("1.0", 112)
	}
	for _, job := range []string{"verify", "smoke"} { // what counts is what was restored
		w.Outcomes["way-"+job] = world.Finds("1.0", 100)
	}
	back := goBack(w, "way", spec)
	w.Until("a price", func() bool {
		return w.Get("way", back) && meta.IsStatusConditionTrue(back.Status.Conditions, v1alpha1.WaitingCondition)
	})
	return back
}

func goBack(w *world.World, name string, spec v1alpha1.RollbackSpec) *v1alpha1.Rollback {
	spec.SiteRef = v1alpha1.LocalRef{Name: "campus"}
	back := &v1alpha1.Rollback{ObjectMeta: w.Meta(name), Spec: spec}
	w.Must(w.As("oncall@campus.example").Create(w.Context(), back))
	return back
}

// confirm comes when the rollback has long been waiting: what wakes it is its own affair.
func confirm(w *world.World, back *v1alpha1.Rollback, decision v1alpha1.Decision) {
	w.Rest(2)
	w.Create(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("loss"), Spec: v1alpha1.UpgradeApprovalSpec{
		RollbackRef: &v1alpha1.LocalRef{Name: back.Name}, Gate: v1alpha1.GateDataLoss, Digest: back.Status.Price.Digest,
		Decision: decision}})
}

// rollbackRefused: nobody wants to pay the price.
func rollbackRefused(w *world.World) {
	back := priced(w, v1alpha1.KeepInPlace)
	w.Mark()
	confirm(w, back, v1alpha1.DecisionReject)
	w.Until("a rollback that ended", over(w, back, "way", metav1.ConditionFalse))
}

// hushed goes as far as a rollback waits for the last requests to the closed site.
func hushed(w *world.World) *v1alpha1.Rollback {
	w.Outcomes["-awaitsilence-"] = running
	back := priced(w, v1alpha1.KeepInPlace)
	confirm(w, back, v1alpha1.DecisionApprove)
	w.Until("a closed site", backAt(w, back, "AwaitSilence", v1alpha1.StepRunning))
	w.Mark()
	delete(w.Outcomes, "-awaitsilence-")
	return back
}

func backAt(w *world.World, back *v1alpha1.Rollback, step string, states ...v1alpha1.StepState) func() bool {
	return func() bool { return w.Get(back.Name, back) && stands(back.Status.Steps, step, states...) }
}

// rollbackWithdrawn: who confirmed the price takes it back while the site is closed.
func rollbackWithdrawn(w *world.World) {
	back := hushed(w)
	w.Remove(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("loss")})
	w.Until("a rollback that was undone", over(w, back, "way", metav1.ConditionFalse))
}

// rollbackWithdrawnEarly: they do so while the site still serves.
func rollbackWithdrawnEarly(w *world.World) {
	w.Outcomes["way-restore"] = running
	back := priced(w, v1alpha1.KeepInPlace)
	confirm(w, back, v1alpha1.DecisionApprove)
	w.Until("a backup that is restored beside", backAt(w, back, "RestoreBeside", v1alpha1.StepRunning))
	w.Mark()
	w.Remove(&v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("loss")})
	delete(w.Outcomes, "way-restore")
	w.Until("a rollback that was given back", over(w, back, "way", metav1.ConditionFalse))
}

// rollbackDeleted: before the point of no return the site is opened as it was.
func rollbackDeleted(w *world.World) {
	back := hushed(w)
	w.Remove(back)
	w.Until("no rollback", func() bool { return !w.Get("way", back) })
}

// rollbackFails: what was restored is not what was backed up.
func rollbackFails(w *world.World) {
	w.Outcomes["way-verify"] = world.Breaks("CountsDiffer")
	back := priced(w, v1alpha1.KeepInPlace)
	w.Outcomes["way-verify"] = world.Breaks("CountsDiffer")
	confirm(w, back, v1alpha1.DecisionApprove)
	w.Until("a step that failed", backAt(w, back, "VerifyBeside", v1alpha1.StepFailed))
	w.Mark()
	w.Until("a rollback that was undone", over(w, back, "way", metav1.ConditionFalse))
}

// rollbackAgain: the switch fails past the point of no return, and another
// rollback to the same state takes the site over.
func rollbackAgain(w *world.World) {
	w.Outcomes["way-switch"] = world.Breaks("SwitchFailed")
	back := priced(w, v1alpha1.KeepInPlace)
	confirm(w, back, v1alpha1.DecisionApprove)
	w.Until("a switch", backAt(w, back, "Switch", v1alpha1.StepRunning))
	w.Mark()
	w.Until("a switch that failed", backAt(w, back, "Switch", v1alpha1.StepFailed))
	w.Outcomes["next-"] = world.Finds("1.0", 100)
	next := goBack(w, "next", back.Spec)
	w.Until("the way back", over(w, next, "next", metav1.ConditionTrue))
	w.Until("the end of the first", over(w, back, "way", metav1.ConditionFalse))
}
