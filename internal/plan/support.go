// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

const (
	defaultSupport = 14 * 24 * time.Hour
	// looks is how many smoke runs are spread over the time of support, at the least a minute apart.
	looks = 24
	// account is where a smoke Job finds whom to sign in as.
	account = "/gradus/probe"
)

// support looks at the live site as a user would, again and again, until its
// time is over. It advises; it never rolls back by itself.
var support = pipeline.Step[View]{
	Name: v1alpha1.StepSupport, Needs: after(v1alpha1.StepGoLive),
	Create: func(v View, at pipeline.At) []client.Object {
		job, err := v.look(at)
		if err != nil {
			return nil
		}
		return []client.Object{job.Build()}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if _, err := v.look(at); err != nil {
			return pipeline.Skip("NoSmokeChecks", "%v", err)
		}
		until, slot := v.supportEnds(), v.slot(at)
		job := seen.Job()
		switch {
		case job.State == pipeline.JobFailed && job.Lost:
			return pipeline.Wait("Watching", "nobody knows what a look at the live site saw (%s); looking again until %s",
				job.Why(), v.local(until)).By(v.slotBegins(at, slot+1))
		case job.State == pipeline.JobFailed:
			next := v.slotBegins(at, slot+1)
			return pipeline.Await("SiteFails", "a look at the live site failed: %s; advice: find out why; "+
				"a rollback is priced by creating a Rollback", job.Why()).By(next)
		case v.Now.After(until) && job.State == pipeline.JobSucceeded:
			return pipeline.Pass("watched until %s; the last look found nothing", v.local(until))
		case job.State == pipeline.JobRunning:
			return pipeline.Wait("Watching", "looking at the live site, until %s", v.local(until)).By(job.LookAgain)
		}
		return pipeline.Wait("Watching", "all is well; looking again and again until %s", v.local(until)).
			By(v.slotBegins(at, slot+1))
	},
}

// supportEnds gives the end of support. It counts from the end of the step where
// the go-live was deleted since.
func (v View) supportEnds() time.Time {
	opened := v.Now
	for _, e := range v.Plan.Status.Steps {
		if e.Name == v1alpha1.StepGoLive && e.Finished != nil {
			opened = e.Finished.Time
		}
	}
	if v.GoLive != nil && v.GoLive.Status.Opened != nil {
		opened = v.GoLive.Status.Opened.Time
	}
	until := v.Plan.Spec.Support.Until
	switch {
	case until.Duration != nil:
		return opened.Add(until.Duration.Duration)
	case until.Days > 0:
		return opened.AddDate(0, 0, int(until.Days))
	}
	return opened.Add(defaultSupport)
}

// slot numbers the looks; each is a Job of its own. A look that fails when
// support ends is followed by another: support ends with one that found nothing.
func (v View) slot(at pipeline.At) int {
	if at.Entry.Started == nil {
		return 0
	}
	return int(v.Now.Sub(at.Entry.Started.Time) / v.interval(at))
}

func (v View) interval(at pipeline.At) time.Duration {
	whole := v.supportEnds().Sub(at.Entry.Started.Time)
	return max(whole/looks, time.Minute)
}

func (v View) slotBegins(at pipeline.At, slot int) time.Time {
	return at.Entry.Started.Add(time.Duration(slot) * v.interval(at)).Add(time.Second)
}

// look gives one smoke Job against the live door.
func (v View) look(at pipeline.At) (workload.Job, error) {
	params := v.liveParams()
	job := v.liveJob(at.Name(fmt.Sprintf("look-%d", v.slot(at))), nil)
	if a := v.Site.Spec.ProbeAccount; a != nil {
		params.Credentials = account
		job.Volumes = append(job.Volumes, workload.Secret("gradus-probe", a.Name))
		job.Run.VolumeMounts = append(job.Run.VolumeMounts, corev1.VolumeMount{
			Name: "gradus-probe", MountPath: account, ReadOnly: true,
		})
	}
	t, _, err := v.Profile.SmokeTask(params, time.Minute)
	job.Task.Actions = t.Actions
	return job, err
}
