// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// release gives the workloads the images and variables of the target. These
// stay; a rollback puts back what the journal says was before.
var release = pipeline.Step[View]{
	Name: "Release",
	Change: func(v View, _ pipeline.At) []v1alpha1.Change {
		if v.lacking() != "" {
			return nil
		}
		images := v.images(v.target())
		var changes []v1alpha1.Change
		for _, w := range v.Site.Spec.Workloads {
			var here []v1alpha1.ContainerImage
			for _, c := range v.Workloads[w.Name].Spec.Template.Spec.Containers {
				if image, ok := images[c.Name]; ok {
					here = append(here, image)
				}
			}
			if len(here) > 0 {
				changes = append(changes, production.Want(closing.ReleaseID(w.Name), w.TargetRef.Kind, w.TargetRef.Name,
					v1alpha1.FieldTemplate, "", production.Template(here), v1alpha1.UndoNever))
			}
		}
		return append(changes, v.releaseCronJobs(images)...)
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if name := v.lacking(); name != "" {
			return pipeline.Await(v1alpha1.SiteNotReadyReason, "workload %s is missing: as it is it must not run on "+
				"the upgraded site", name).By(seen.Now.Add(15 * time.Second))
		}
		if seen.Foreign != nil {
			return v.Stopped(seen)
		}
		if !seen.Changed {
			return pipeline.Wait("Releasing", "the images of %s are written", v.target()).By(seen.Now.Add(time.Second))
		}
		return pipeline.Pass("the workloads have the images of %s", v.target())
	},
}

// lacking names a workload of the Site that is not there; "" when all are.
func (v View) lacking() string {
	for _, w := range v.Site.Spec.Workloads {
		if v.Workloads[w.Name] == nil {
			return w.Name
		}
	}
	return ""
}

// look keeps users out until people have seen the site, where the plan asks.
var look = pipeline.Step[View]{
	Name: "Look",
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if v.GoLive.Spec.Look != "Approve" {
			return pipeline.Skip("NotAsked", "the plan has no gate Open")
		}
		if v.Plan == nil {
			return pipeline.Fail("PlanNotFound", "UpgradePlan %s is gone: nobody can open the site by its gate any more",
				v.GoLive.Spec.PlanRef.Name)
		}
		if field := order.Differs(v.GoLive.Spec.Upgrade, order.Upgrade(v.Plan)); field != "" {
			return pipeline.Await("NotTheOrder", "the site is upgraded and closed for users; %s of UpgradePlan %s "+
				"is not what runs: put it back, for gate Open is about what runs", field, v.Plan.Name).
				By(seen.Now.Add(15 * time.Second))
		}
		switch v.Open.State {
		case v1alpha1.GateOpened:
			return pipeline.Pass("gate Open is approved")
		case v1alpha1.GateRejected:
			return pipeline.Fail("OpenRejected", "who looked at the site says no: %v", v.Open.Missing)
		}
		return pipeline.Await(v1alpha1.WaitingForApprovalReason,
			"the site is upgraded and closed for users; gate Open waits for %v, digest %s", v.Open.Missing, v.Open.Digest).
			By(seen.Now.Add(15 * time.Second))
	},
}
