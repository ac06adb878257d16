// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// fixPoint backs the closed site up: what a rollback goes back to. It counts
// only when it was restored and compared.
var fixPoint = closing.Guarded(pipeline.Step[View]{
	Name: "FixPoint",
	Create: func(v View, at pipeline.At) []client.Object {
		ref := v.GoLive.Spec.PlanRef
		backup := &v1alpha1.SiteBackup{
			ObjectMeta: metav1.ObjectMeta{Namespace: v.GoLive.Namespace, Name: at.Name("fixpoint")},
			Spec:       v1alpha1.SiteBackupSpec{SiteRef: v.GoLive.Spec.SiteRef, PlanRef: &ref},
		}
		if ref.UID != "" {
			backup.Labels = map[string]string{v1alpha1.PlanUIDLabel: string(ref.UID)}
		}
		return []client.Object{backup}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if closes := v.GoLive.Spec.Closes; closes != nil && seen.Now.After(closes.Time) {
			return pipeline.Fail("WindowClosed", "the window closed before the closed site was backed up")
		}
		backup, ok := pipeline.First[*v1alpha1.SiteBackup](seen)
		if !ok || backup == nil {
			return pipeline.Wait("BackingUp", "the backup of the closed site begins").By(seen.Now.Add(2 * time.Second))
		}
		conditions := backup.Status.Conditions
		switch {
		case verified(backup):
			return pipeline.Pass("SiteBackup %s is restored and compared", backup.Name)
		case meta.IsStatusConditionTrue(conditions, v1alpha1.StalledCondition):
			return pipeline.Fail("FixPointFailed", "SiteBackup %s: %s", backup.Name,
				meta.FindStatusCondition(conditions, v1alpha1.StalledCondition).Message)
		case meta.IsStatusConditionFalse(conditions, v1alpha1.VerifiedCondition):
			// Known as soon as it is tested: users do not wait until its copy is gone.
			return pipeline.Fail("FixPointNotVerified", "SiteBackup %s: %s", backup.Name,
				meta.FindStatusCondition(conditions, v1alpha1.VerifiedCondition).Message)
		}
		return pipeline.Wait("BackingUp", "SiteBackup %s is taken and verified, with the site closed", backup.Name)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if backup, ok := pipeline.First[*v1alpha1.SiteBackup](seen); ok && backup != nil {
			v.GoLive.Status.FixPoint, v.GoLive.Status.Before = backup.Name, backup.Status.Counts
		}
	},
})
