// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// stagingDays is how long staging stands when the plan does not say.
const stagingDays = 30

// upgradeStaging makes a copy at the target that stays: neutral, closed,
// reachable through one Service, from its own namespace.
var upgradeStaging = pipeline.Step[View]{
	Name: v1alpha1.StepUpgradeStaging, Needs: after(v1alpha1.StepRunTrial),
	AgainIfLost: true,
	Create: func(v View, at pipeline.At) []client.Object {
		if v.newestTrial() == nil || uncopied(v, at) != nil || v.tooLateForStaging(at) != nil {
			return nil // its time is in what is asked for, and must be there to be read again
		}
		upgrade := v.upgrade()
		expires := v.stagingExpires()
		return []client.Object{&v1alpha1.StagingEnvironment{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: v.Plan.Namespace, Name: at.Name("staging"),
				Labels: map[string]string{v1alpha1.PlanUIDLabel: string(v.Plan.UID)},
			},
			Spec: v1alpha1.StagingEnvironmentSpec{
				SiteRef: v.Plan.Spec.SiteRef, Purpose: v1alpha1.PurposeStaging, PlanRef: v.ref(),
				BackupRef: v1alpha1.LocalRef{Name: v.Plan.Status.Backup}, Upgrade: &upgrade, Expires: &expires,
			},
		}}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if wait := uncopied(v, at); wait != nil {
			return *wait
		}
		if v.newestTrial() == nil {
			return pipeline.Wait("UpgradingStaging", "trial %s is looked at", v.Plan.Status.Trial).By(seen.Now.Add(time.Second))
		}
		if wait := v.tooLateForStaging(at); wait != nil {
			return *wait
		}
		env, ok := pipeline.First[*v1alpha1.StagingEnvironment](seen)
		if !ok || env == nil {
			return pipeline.Wait("UpgradingStaging", "staging begins")
		}
		ready, stalled := over(env)
		if wait := pipeline.InTheWay("staging", env); wait != nil {
			return *wait
		}
		switch {
		case isTrue(stalled):
			return pipeline.Fail(stalled.Reason, "staging %s: %s", env.Name, stalled.Message)
		case isTrue(ready):
			return pipeline.Pass("%s serves %s at %s", env.Name, env.Status.Version, env.Status.Address)
		}
		return pipeline.Wait("UpgradingStaging", "staging %s: %s", env.Name, ready.Message)
	},
	Record: func(v View, at pipeline.At, _ pipeline.Seen) { v.Plan.Status.Staging = at.Name("staging") },
}

// tooLateForStaging: a copy whose day has come would be taken away as soon as it is made.
func (v View) tooLateForStaging(at pipeline.At) *pipeline.Verdict {
	expires := v.stagingExpires()
	if len(at.Entry.Children) > 0 || v.Now.Before(expires.Time) {
		return nil
	}
	mend := "give a later day in spec.staging.expires"
	if v.Plan.Spec.Staging.Expires == "" {
		mend = fmt.Sprintf("it stands for %d days from the trial: give a day in spec.staging.expires, "+
			"or run the trial again: %s", stagingDays, again(v, v1alpha1.StepRunTrial))
	}
	wait := pipeline.Await("StagingExpired", "staging would be taken away on %s, which is over; %s",
		v.local(expires.Time), mend)
	return &wait
}

// stagingExpires gives the day that the plan names, or 30 days after the trial.
func (v View) stagingExpires() metav1.Time {
	if day := v.Plan.Spec.Staging.Expires; day != "" {
		if t, err := time.ParseInLocation(time.DateOnly, day, v.Location); err == nil {
			return metav1.NewTime(t.AddDate(0, 0, 1))
		}
	}
	// From a time that is stored already: a status write that was lost must not
	// change what was asked for.
	began := v.Trial.CreationTimestamp
	return metav1.NewTime(began.AddDate(0, 0, stagingDays).Truncate(time.Second))
}
