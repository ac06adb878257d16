// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// check looks at everything before anything is touched.
var check = pipeline.Step[View]{
	Name: "Check",
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if no := v.Incomplete(); no != nil {
			return *no
		}
		if no := v.Objection(); no != nil {
			return *no
		}
		if what := v.unfit(); what != "" {
			return pipeline.Fail("SiteUnfit", "%s", what)
		}
		return pipeline.Pass("approved, backed up, in the window, and everything is there")
	},
}

// unfit says what about the live objects makes a go-live impossible.
func (v View) unfit() string {
	if len(v.Door.Spec.Selector) == 0 {
		return "Service " + v.Door.Name + " has no selector that could be pointed at the holding page"
	}
	if db := v.Database; db != nil && db.Spec.PersistentVolumeClaimRetentionPolicy != nil &&
		db.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
		return "StatefulSet " + db.Name +
			" deletes its volumes when it is scaled (persistentVolumeClaimRetentionPolicy.whenScaled)"
	}
	if what := workload.Unscalable(v.GoLive.Spec.Scale, v.Site, v.Autoscalers); what != "" {
		return what
	}
	if what := v.noted(); what != "" {
		return what + " still has the note of an earlier run that was not undone"
	}
	for _, hop := range v.GoLive.Spec.Upgrade.Hops {
		w, _ := v.Web()
		if v.images(hop.To)[w.ApplicationContainer].Image == "" {
			return "no release gives an image of container " + w.ApplicationContainer + " for " + hop.To
		}
	}
	return ""
}

// journalMustSuffice: CronJobs have no bound, a journal has. Asked again at the
// point of no return, as CronJobs may have come since.
func journalMustSuffice(v View) *pipeline.Verdict {
	if v.Site == nil {
		return nil // said elsewhere
	}
	var toCome []string
	for _, c := range release.Change(v, pipeline.At{}) {
		toCome = append(toCome, c.ID)
	}
	for _, s := range v.GoLive.Spec.Scale {
		toCome = append(toCome, closing.ScaleID(s.Workload))
	}
	if what := v.Overfull(toCome); what != "" {
		return against("TooManyChanges", "%s", what)
	}
	return nil
}

// noted names what has the note of a run, while this one holds nothing.
func (v View) noted() string {
	if v.Owner.Held() != nil {
		return ""
	}
	for name, d := range v.Workloads {
		if production.Noted(d.Annotations) {
			return "workload " + name
		}
	}
	if production.Noted(v.Door.Annotations) {
		return "Service " + v.Door.Name
	}
	return ""
}

func closed(v View, at time.Time) {
	if v.GoLive.Status.Closed == nil {
		v.GoLive.Status.Closed = stamp(at)
	}
}

func opened(v View, at time.Time) {
	v.GoLive.Status.Opened = stamp(at)
	v.GoLive.Status.Parts = parts(v.GoLive.Status.Steps, at)
}

func recordVersion(v View, result task.Result) {
	if version := result.Facts["version.http"]; version != "" {
		v.GoLive.Status.Version = version
	}
}

// parts tells the real outage: what each step took from the moment the doors
// closed.
func parts(ledger []v1alpha1.StepStatus, opened time.Time) []v1alpha1.TimedPart {
	var out []v1alpha1.TimedPart
	shut := false
	for _, e := range ledger {
		shut = shut || e.Name == "CloseDoors"
		if !shut || e.Started == nil || e.State == v1alpha1.StepSkipped || len(out) == 32 {
			continue
		}
		end := opened
		if e.Finished != nil {
			end = e.Finished.Time
		} else if e.Name != "OpenDoors" {
			continue
		}
		name := e.Name
		if e.Key != "" {
			name += " " + e.Key
		}
		out = append(out, v1alpha1.TimedPart{Name: name, Actual: lasted(end.Sub(e.Started.Time))})
	}
	return out
}
