// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// makeRolloutPlan reads the window, keeps it out of the Site's freezes, and
// asks whether outage and way back, as the trial measured them, fit in it.
var makeRolloutPlan = pipeline.Step[View]{
	Name: v1alpha1.StepMakeRolloutPlan, Needs: after(v1alpha1.StepMakeUpgradePlan, v1alpha1.StepRunTrial),
	Repairable: true,
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		r, err := rollout(v)
		switch {
		case err != nil:
			return pipeline.Fail("WindowRefused", "%v", err)
		case r.Opens == nil:
			return pipeline.Pass("no window: the plan stops before step 15 until spec.rollout.window is given")
		case r.LatestStart == nil:
			return pipeline.Fail("TrialGone", "trial %s is not there any more, and nothing is predicted without one; "+
				"run another: %s", v.Plan.Status.Trial, again(v, v1alpha1.StepRunTrial))
		case r.LatestStart.Before(r.Opens):
			return pipeline.Fail("WindowTooShort", "spec.rollout.window: outage %s and way back %s, with margin, "+
				"do not fit between %s and %s", r.PredictedOutage.Duration, r.PredictedBack.Duration,
				v.local(r.Opens.Time), v.local(r.Closes.Time))
		}
		return pipeline.Pass("window opens %s; closed for users %s, way back %s, both with margin",
			v.local(r.Opens.Time), r.PredictedOutage.Duration, r.PredictedBack.Duration)
	},
	Record: func(v View, _ pipeline.At, _ pipeline.Seen) {
		if r, err := rollout(v); err == nil {
			v.Plan.Status.Rollout = r
		}
	},
}

// local writes an instant in the Site's time zone.
func (v View) local(t time.Time) string { return t.In(v.Location).Format("Mon 2 Jan 2006 15:04 MST") }

// rollout computes the prediction. Measured times come from the trial and the
// backup; nothing is assumed.
func rollout(v View) (*v1alpha1.RolloutStatus, error) {
	r := &v1alpha1.RolloutStatus{}
	if window := v.Plan.Spec.Rollout.Window; window != nil {
		opens, closes, err := order.Window(*window, v.Site, v.Location)
		if err != nil {
			return nil, err
		}
		r.Opens, r.Closes = &metav1.Time{Time: opens}, &metav1.Time{Time: closes}
	}
	if v.Trial == nil {
		return r, nil
	}
	outage, back := v.predict(r)
	r.PredictedOutage, r.PredictedBack = &metav1.Duration{Duration: outage}, &metav1.Duration{Duration: back}
	r.Samples, r.Confidence = 1, "Low"
	if r.Closes != nil {
		r.LatestStart = &metav1.Time{Time: r.Closes.Add(-outage - back)}
		r.LastMomentBack = &metav1.Time{Time: r.Closes.Add(-back)}
	}
	return r, nil
}

// shut lists the parts of a trial during which users would be shut out; started those
// that come on the way back as well.
var (
	shut    = map[string]bool{"verify": true, "start application": true, "smoke": true}
	started = map[string]bool{"start application": true, "smoke": true}
)

// turning is what no copy rehearses, for it has no users: to lead them to the holding page,
// to stop the application, to hear twice that nobody writes any more, and to let them in.
const turning = 30 * time.Second

// predict sums the measured parts of the way forward and of the way back.
func (v View) predict(r *v1alpha1.RolloutStatus) (outage, back time.Duration) {
	add := func(name string, measured *metav1.Duration) time.Duration {
		r.Parts = append(r.Parts, v.timed(name, measured))
		return r.Parts[len(r.Parts)-1].WithMargin.Duration
	}
	for _, part := range v.rehearsed(func(name string) bool { return strings.HasPrefix(name, "hop ") || shut[name] }) {
		outage += add(part.Name, part.Measured)
	}
	outage += add("closing, silence and opening, allowed for", nil)
	if v.Backup == nil {
		return outage, back
	}
	if verified, ok := condition(v.Backup, v1alpha1.VerifiedCondition); ok && isTrue(verified) {
		took := verified.LastTransitionTime.Sub(v.Backup.CreationTimestamp.Time)
		outage += add("fix point: backup, restored and compared", &metav1.Duration{Duration: took})
	}
	for _, c := range v.Backup.Status.Copies {
		if c.Consistency == "Logical" && c.Volume == environment.DatabaseVolume && c.TookRestore != nil {
			back += add("way back: restore and compare the database", c.TookRestore)
		}
	}
	if back == 0 {
		return outage, back
	}
	for _, part := range v.rehearsed(func(name string) bool { return started[name] }) {
		back += add("way back: "+part.Name, part.Measured)
	}
	return outage, back + add("way back: closing, silence and opening, allowed for", nil)
}

// timed gives a part with its margin; what nobody could measure is allowed for.
func (v View) timed(name string, measured *metav1.Duration) v1alpha1.TimedPart {
	part := v1alpha1.TimedPart{Name: name, Measured: measured, WithMargin: &metav1.Duration{Duration: turning}}
	if measured != nil {
		margin := measured.Duration + measured.Duration*time.Duration(v.margin())/100
		part.WithMargin.Duration = margin.Round(time.Second)
	}
	return part
}

// rehearsed gives the parts of the trial that were measured and that are asked for.
func (v View) rehearsed(which func(name string) bool) []v1alpha1.TimedPart {
	return slices.DeleteFunc(slices.Clone(v.Trial.Status.Parts), func(p v1alpha1.TimedPart) bool {
		return p.Measured == nil || !which(p.Name)
	})
}
