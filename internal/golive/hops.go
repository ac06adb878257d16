// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"errors"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// StepHops is the step whose Jobs change the schema.
const StepHops = "Hops"

// hops upgrade the database, one Job for each, one after the other. A Job is
// never retried in place: what a dead one left is looked at first.
var hops = pipeline.Step[View]{
	Name: StepHops,
	Each: func(v View) []string {
		var keys []string
		for _, hop := range v.GoLive.Spec.Upgrade.Hops {
			keys = append(keys, hop.To)
		}
		return keys
	},
	Create: func(v View, at pipeline.At) []client.Object {
		if state, _ := v.before(at.Key); state != v1alpha1.StepPassed || !v.mayMigrate() {
			return nil
		}
		if v.ranBefore(at) {
			return v.createAgain(at)
		}
		job, err := v.hopJob(at)
		if err != nil {
			return nil
		}
		return []client.Object{job}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		switch state, hop := v.before(at.Key); state {
		case v1alpha1.StepPassed:
		case v1alpha1.StepFailed:
			return pipeline.Fail("EarlierHopFailed", "the hop to %s failed", hop)
		default:
			return pipeline.Wait("AwaitingHop", "the hop to %s comes first", hop).By(seen.Now.Add(time.Second))
		}
		if !v.mayMigrate() {
			return pipeline.Fail(v1alpha1.LeaseLostReason,
				"the site is not held past the point of no return, or a rollback has begun")
		}
		if _, err := v.hopJob(at); err != nil {
			return closing.Unbuildable(err)
		}
		if v.ranBefore(at) && !made(at) {
			return v.judgeAgain(at, seen)
		}
		job := seen.Job()
		if job.State == pipeline.JobFailed && (job.Result.Reason == "" || job.Result.Reason == task.NoResult) {
			return pipeline.Fail("HopPodLost",
				"the pod that upgraded to %s died (%s); its statement may still run in the database", at.Key, job.Message)
		}
		return pipeline.JobDone("Upgrading", "HopFailed", func(r task.Result) pipeline.Verdict {
			return pipeline.Pass("the database is at %s, nothing is pending, no lock is held", r.Facts["version.database"])
		})(seen)
	},
	Record: recordHop,
}

// mayMigrate: the lease is ours and committed, and no way back is under way. One that ended
// before it took the site hinders nobody: what failed may be repaired and retried.
func (v View) mayMigrate() bool { return v.Held() && v.Committed() && !v.GaveWay() }

// before gives the state of the hop before one; Passed for the first.
func (v View) before(key string) (v1alpha1.StepState, string) {
	all := v.GoLive.Spec.Upgrade.Hops
	for i, hop := range all {
		if hop.To != key {
			continue
		}
		if i == 0 {
			return v1alpha1.StepPassed, ""
		}
		return v.entry(StepHops, all[i-1].To).State, all[i-1].To
	}
	return v1alpha1.StepPassed, ""
}

// hopJob runs the profile's upgrade and the tasks that it requires, with the
// image of the hop's release, the live volumes and the owner's credentials.
func (v View) hopJob(at pipeline.At) (*batchv1.Job, error) {
	q := v.Params()
	q.Target = at.Key
	q.HopDeadline = v.GoLive.Spec.Upgrade.GetHopDeadline()
	t, _, err := v.Profile.UpgradeTask(q)
	if err != nil {
		return nil, err
	}
	drain, _, err := v.Profile.VerbTask(profile.DrainVerb, q)
	if err != nil && !errors.Is(err, profile.ErrNone) {
		return nil, err
	}
	job := v.ApplicationJob(at, "hop", v.images(at.Key), slices.Concat(t.Actions, drain.Actions))
	// A pod may outlive its Job: it says itself whose it is.
	job.Labels = map[string]string{v1alpha1.OwnerUIDLabel: string(v.GoLive.UID), v1alpha1.StepLabel: StepHops}
	return job.Build(), nil
}

// recordHop notes what the hop did, by its job's own word.
func recordHop(v View, at pipeline.At, seen pipeline.Seen) {
	for _, hop := range v.GoLive.Spec.Upgrade.Hops {
		if hop.To != at.Key {
			continue
		}
		result := v1alpha1.HopResult{Hop: hop, Verdict: "Failed"}
		job := seen.Job()
		asked := v.ranBefore(at) && !made(at)
		if asked && (job.State != pipeline.JobSucceeded || !arrived(job.Result)) {
			return // nothing was run: what the earlier attempt came to stands
		}
		if job.State == pipeline.JobSucceeded {
			result.Verdict, result.Version = "Passed", job.Result.Facts["version.database"]
		} else {
			result.StoppedAt = message.Clip(job.Result.Message, 500)
		}
		if !job.Ended.IsZero() && !asked {
			result.Took = lasted(job.Ended.Sub(job.Started))
		}
		var kept []v1alpha1.HopResult
		for _, h := range v.GoLive.Status.Hops {
			if h.To != hop.To {
				kept = append(kept, h)
			}
		}
		kept = append(kept, result)
		v.GoLive.Status.Hops = kept
	}
}

func lasted(d time.Duration) *metav1.Duration {
	return &metav1.Duration{Duration: max(d, 0).Round(time.Second)}
}

func stamp(t time.Time) *metav1.Time {
	at := metav1.NewTime(t).Rfc3339Copy()
	return &at
}
