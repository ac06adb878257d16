// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
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
		opens, closes, err := v.window(*window)
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

// window reads both ends of a window that no freeze touches.
func (v View) window(w v1alpha1.Window) (opens, closes time.Time, err error) {
	if opens, err = v.instant(w.Opens); err != nil {
		return opens, closes, fmt.Errorf("spec.rollout.window.opens: %w", err)
	}
	if closes, err = v.instant(w.Closes); err != nil {
		return opens, closes, fmt.Errorf("spec.rollout.window.closes: %w", err)
	}
	if name := v.frozen(opens, closes); name != "" {
		err = fmt.Errorf("spec.rollout.window lies in the freeze %q of Site %s; choose another window", name, v.Site.Name)
	}
	return opens, closes, err
}

// shut lists the parts of a trial during which users would be shut out.
var shut = map[string]bool{"verify": true, "start application": true, "smoke": true}

// predict sums the measured parts of the way forward and of the way back.
func (v View) predict(r *v1alpha1.RolloutStatus) (outage, back time.Duration) {
	add := func(name string, measured time.Duration) time.Duration {
		margin := measured + measured*time.Duration(v.margin())/100
		margin = margin.Round(time.Second)
		r.Parts = append(r.Parts, v1alpha1.TimedPart{
			Name: name, Measured: &metav1.Duration{Duration: measured}, WithMargin: &metav1.Duration{Duration: margin},
		})
		return margin
	}
	for _, part := range v.Trial.Status.Parts {
		if part.Measured == nil {
			continue
		}
		if strings.HasPrefix(part.Name, "hop ") || shut[part.Name] {
			outage += add(part.Name, part.Measured.Duration)
		}
	}
	if v.Backup == nil {
		return outage, back
	}
	if verified, ok := condition(v.Backup, v1alpha1.VerifiedCondition); ok && isTrue(verified) {
		outage += add("fix point: backup, restored and compared",
			verified.LastTransitionTime.Sub(v.Backup.CreationTimestamp.Time))
	}
	for _, c := range v.Backup.Status.Copies {
		if c.Consistency == "Logical" && c.Volume == environment.DatabaseVolume && c.TookRestore != nil {
			back += add("way back: restore and compare the database", c.TookRestore.Duration)
		}
	}
	return outage, back
}

// instant reads a wall-clock time of the Site's zone. A time that the zone
// skips or has twice is refused: nobody should have to guess.
func (v View) instant(local string) (time.Time, error) {
	const layout = "2006-01-02T15:04"
	t, err := time.ParseInLocation(layout, local, v.Location)
	if err != nil {
		return t, fmt.Errorf("%q is not a time such as 2026-12-19T20:00", local)
	}
	if t.Format(layout) != local {
		return t, fmt.Errorf("%s does not exist in %s: clocks are set forward then", local, v.Location)
	}
	// Clocks are set back by an hour nearly everywhere; Lord Howe Island takes half of one.
	for _, back := range []time.Duration{time.Hour, -time.Hour, 30 * time.Minute, -30 * time.Minute} {
		if t.Add(back).Format(layout) == local {
			return t, fmt.Errorf("%s exists twice in %s: clocks are set back then; choose another time", local, v.Location)
		}
	}
	return t, nil
}

// frozen names the freeze that a span of time touches.
func (v View) frozen(opens, closes time.Time) string {
	first, last := opens.In(v.Location).Format(time.DateOnly), closes.In(v.Location).Format(time.DateOnly)
	for _, f := range v.Site.Spec.Calendar.Freezes {
		if first <= f.To && last >= f.From {
			return f.Name
		}
	}
	return ""
}
