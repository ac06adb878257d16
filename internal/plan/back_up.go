// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// backUp orders a SiteBackup and waits until it is proven by restoring. The
// first copy of personal data is made here: gate CopyData comes before it.
var backUp = pipeline.Step[View]{
	Name: v1alpha1.StepBackUp, Needs: after(v1alpha1.StepMakeUpgradePlan), Repeatable: View.mayRepeat,
	Create: func(v View, at pipeline.At) []client.Object {
		if closed(v, v1alpha1.GateCopyData) != nil {
			return nil
		}
		return []client.Object{&v1alpha1.SiteBackup{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: v.Plan.Namespace, Name: at.Name("backup"),
				Labels: map[string]string{v1alpha1.PlanUIDLabel: string(v.Plan.UID)},
			},
			Spec: v1alpha1.SiteBackupSpec{SiteRef: v.Plan.Spec.SiteRef, PlanRef: v.ref()},
		}}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if wait := closed(v, v1alpha1.GateCopyData); wait != nil {
			return *wait
		}
		backup, ok := pipeline.First[*v1alpha1.SiteBackup](seen)
		if !ok || backup == nil {
			return pipeline.Wait("BackingUp", "the backup begins")
		}
		ready, stalled := over(backup)
		verified, _ := condition(backup, v1alpha1.VerifiedCondition)
		if wait := pipeline.InTheWay("backup", backup); wait != nil {
			return *wait
		}
		switch {
		case isTrue(stalled):
			return pipeline.Fail(stalled.Reason, "backup %s: %s", backup.Name, stalled.Message)
		case proven(backup):
			return pipeline.Pass("backup %s: %s", backup.Name, verified.Message)
		case isTrue(ready):
			return pipeline.Fail("NotVerified", "backup %s is over and not verified: %s", backup.Name, verified.Message)
		}
		return pipeline.Wait("BackingUp", "backup %s: %s", backup.Name, ready.Message)
	},
	// One that failed replaces none that is proven: copies would wait for it.
	Record: func(v View, at pipeline.At, seen pipeline.Seen) {
		backup, ok := pipeline.First[*v1alpha1.SiteBackup](seen)
		if ok && backup != nil && proven(backup) {
			v.Plan.Status.Backup = at.Name("backup")
		}
	},
}

// proven says whether a backup is over, and was restored and compared.
func proven(backup *v1alpha1.SiteBackup) bool {
	ready, stalled := over(backup)
	verified, _ := condition(backup, v1alpha1.VerifiedCondition)
	return !isTrue(stalled) && isTrue(ready) && isTrue(verified)
}

// closed says what a gate that the plan asks for still lacks; nil when it is
// open or not asked for.
func closed(v View, name string) *pipeline.Verdict {
	if !gate.Asked(v.Plan.Spec.ChangeControl, name) {
		return nil
	}
	status := gateStatus(v, name)
	var wait pipeline.Verdict
	switch status.State {
	case v1alpha1.GateOpened:
		return nil
	case v1alpha1.GateClosed:
		wait = pipeline.Wait("GateClosed", "gate %s is closed: what it binds to is not complete", name)
	case v1alpha1.GateRejected:
		wait = pipeline.Await("Rejected", "gate %s was %s; delete that decision, or change the plan", name, status.Missing[0])
	default:
		wait = pipeline.Await(v1alpha1.WaitingForApprovalReason, "waiting for approval of gate %s: %s, digest %s…",
			name, list(status.Missing), status.Digest[:min(15, len(status.Digest))])
	}
	return &wait
}
