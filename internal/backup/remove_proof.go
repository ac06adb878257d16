// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"slices"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// removeProof takes the copy away, whatever became of the proof. A namespace that does not
// end costs no backup that is proven: a person hears of it, and it goes on when that is gone.
// Users who are shut out for the backup do not wait for that, see Tested.
var removeProof = pipeline.Step[View]{
	Name:    "RemoveProof",
	Finally: true,
	Timeout: func(View) time.Duration { return 10 * time.Minute },
	Insists: func(View) bool { return true },
	Remove: func(v View, at pipeline.At) []v1alpha1.ChildRef {
		if first(at) {
			return nil
		}
		return v.proofs()
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if first(at) && len(v.proofs()) > 0 {
			return pipeline.Wait("RemovingProof", "the copy in which the snapshots were proven goes next").
				By(seen.Now.Add(time.Second))
		}
		if seen.Left > 0 {
			return pipeline.Wait("RemovingProof", "%s in which the snapshots were proven is being removed",
				environment.Standing(v.Environments))
		}
		return pipeline.Pass("no copy is left")
	},
}

// first says whether what was judged of the copy may not be persisted yet: were
// it removed now and the status lost, it would be missed by who judges it.
func first(at pipeline.At) bool { return at.Entry.Reason == "" }

// proofs gives every copy that this backup made: those that the ledger knows,
// and those of earlier attempts, found by their owner's UID.
func (v View) proofs() []v1alpha1.ChildRef {
	return v1alpha1.EnvironmentsOf(v.Backup.Status.Steps, v.Environments)
}

// Tested says whether all is done that makes a backup a proven one. What it was proven with
// may still stand.
func Tested(b *v1alpha1.SiteBackup) bool {
	return len(b.Status.Steps) > 0 && !slices.ContainsFunc(b.Status.Steps, func(s v1alpha1.StepStatus) bool {
		return s.Name != removeProof.Name && s.State != v1alpha1.StepPassed && s.State != v1alpha1.StepSkipped
	})
}

// Reopen lets the removal run again when a failed step was mended or retried.
func Reopen(v View) {
	pipeline.Reopen(v.Backup.Status.Steps, len(v.Environments) > 0, removeProof.Name)
}
