// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"slices"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// Targets lists all that the run may change while it can still be undone, and
// what it took over from another to put back.
func (s *Scene) Targets() []v1alpha1.ChangeTarget {
	targets := []v1alpha1.ChangeTarget{{Kind: "Service", Name: s.Site.Spec.Traffic.ServiceRef.Name}}
	for _, w := range s.Site.Spec.Workloads {
		targets = append(targets, v1alpha1.ChangeTarget{Kind: w.TargetRef.Kind, Name: w.TargetRef.Name})
	}
	for _, c := range s.CronJobs {
		targets = append(targets, v1alpha1.ChangeTarget{Kind: "CronJob", Name: c.Name})
	}
	targets = append(targets, v1alpha1.ChangeTarget{Kind: "Namespace", Name: s.Site.Namespace})
	for _, c := range production.Open(*s.Owner.Journal()) {
		target := v1alpha1.ChangeTarget{Kind: c.Target.Kind, Name: c.Target.Name}
		if c.Undo != v1alpha1.UndoNever && !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	return targets
}

// unwatched says that the watchdog could not put one of these changes back: its
// Role is written once, and the object came later, such as a new CronJob. Who
// changed it all the same would leave it to nobody. Nil when all is well.
func (s *Scene) unwatched(changes []v1alpha1.Change) *pipeline.Verdict {
	if s.Committed() || s.Watched == nil {
		return nil
	}
	for _, c := range changes {
		if !slices.Contains(s.Watched, v1alpha1.ChangeTarget{Kind: c.Target.Kind, Name: c.Target.Name}) {
			no := pipeline.Fail("NotWatched", "the watchdog of this run has no right to put %s %s back: it came after the "+
				"watchdog was started; the next attempt covers it", c.Target.Kind, c.Target.Name)
			return &no
		}
	}
	return nil
}
