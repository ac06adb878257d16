// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// Start brings the replicas of some workloads back to the number that was
// found: Web before users are let in, all others after.
func Start[V Stage](name string, web bool) pipeline.Step[V] {
	return pipeline.Step[V]{
		Name: name,
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			s := v.Stage()
			var ids []string
			for _, w := range s.ofRole(web) {
				ids = append(ids, quietID(w))
			}
			if !web {
				ids = append(ids, s.suspended()...)
			}
			return production.Back(s.open(ids...))
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			if verdict, ok := s.standing(seen, "replicas go back to the number that was found"); !ok {
				return verdict
			}
			for _, w := range s.ofRole(web) {
				d := s.Workloads[w]
				if d == nil {
					return pipeline.Await(v1alpha1.SiteNotReadyReason, "workload %s is missing", w).By(seen.Now.Add(15 * time.Second))
				}
				// The object may have been read before it was written: the journal
				// says how many pods there must be.
				now := ptr.Deref(d.Spec.Replicas, 1)
				want := s.found(quietID(w), now)
				if stale := now != want || d.Status.ObservedGeneration < d.Generation; stale ||
					d.Status.UpdatedReplicas < want || d.Status.AvailableReplicas < want {
					return pipeline.Wait("PodsStarting", "%d of %d pods of %s are available", d.Status.AvailableReplicas, want, w).
						By(seen.Now.Add(3 * time.Second))
				}
			}
			return pipeline.Pass("the pods are available")
		},
		Timeout: func(V) time.Duration { return 30 * time.Minute },
	}
}

// found gives the number that a change found and that was put back; otherwise
// when there is no such change.
func (s *Scene) found(id string, otherwise int32) int32 {
	for _, c := range *s.Owner.Journal() {
		if c.ID == id && c.Before != nil {
			var n int32
			if err := json.Unmarshal(c.Before.Raw, &n); err == nil {
				return n
			}
		}
	}
	return otherwise
}

// Smoke checks the new pods through a Service of ours, with the doors still
// closed: the version that they serve, sign-in, pages. It warms them, too.
func Smoke[V Stage](want func(V) string, record func(V, task.Result)) pipeline.Step[V] {
	return pipeline.Step[V]{
		Name:        stepSmoke,
		AgainIfLost: true,
		Create: func(v V, at pipeline.At) []client.Object {
			s := v.Stage()
			return append([]client.Object{s.inside(at)}, one(s.smokeJob(at, want(v)))...)
		},
		Judge: func(v V, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if _, err := v.Stage().smokeJob(at, want(v)); err != nil {
				return Unbuildable(err)
			}
			return pipeline.JobDone("Checking", "SmokeFailed", func(task.Result) pipeline.Verdict {
				return pipeline.Pass("version %s is served, and what was checked works", want(v))
			})(seen)
		},
		Record: func(v V, _ pipeline.At, seen pipeline.Seen) { record(v, seen.Job().Result) },
	}
}

func (s *Scene) smokeJob(at pipeline.At, version string) (*batchv1.Job, error) {
	q := s.Params()
	q.BaseURL = fmt.Sprintf("http://%s.%s.svc:%d", insideName(at), s.Site.Namespace, s.doorPort())
	q.Target = version
	mounts := []Mount{s.ReaderMount()}
	if account := s.Site.Spec.ProbeAccount; account != nil {
		q.Credentials = probeDir
		mounts = append(mounts, Mount{workload.Secret("gradus-probe", account.Name), probeDir})
	}
	var actions []task.Action
	if len(s.Profile.Smoke) > 0 {
		smoke, _, err := s.Profile.SmokeTask(q, 5*time.Minute)
		if err != nil {
			return nil, err
		}
		actions = append(actions, smoke.Actions...)
	}
	v, _, err := s.Profile.VersionTask(q, version)
	if err != nil {
		return nil, err
	}
	return s.AgentJob(at, "smoke", append(actions, v.Actions...), nil, mounts...), nil
}

// OpenDoors points the door back at the site. Opened notes in the view when
// users were let in: from then on nothing goes back by itself.
func OpenDoors[V Stage](opened func(V, time.Time)) pipeline.Step[V] {
	return pipeline.Step[V]{
		Name:   StepOpenDoors,
		Change: func(v V, _ pipeline.At) []v1alpha1.Change { return production.Back(v.Stage().open(doorID)) },
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if verdict, ok := v.Stage().standing(seen, "users are let in"); !ok {
				return verdict
			}
			return pipeline.Pass("users are in")
		},
		Record: func(v V, _ pipeline.At, seen pipeline.Seen) { opened(v, seen.Now) },
	}
}

// Unlock lets others write the site's workloads again.
func Unlock[V Stage]() pipeline.Step[V] {
	return pipeline.Step[V]{
		Name:   "Unlock",
		Change: func(v V, _ pipeline.At) []v1alpha1.Change { return production.Back(v.Stage().open(lockID)) },
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if verdict, ok := v.Stage().standing(seen, "the lock is opened"); !ok {
				return verdict
			}
			return pipeline.Pass("the lock is open")
		},
	}
}
