// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/task"
)

// HoldingPage starts the page that users will see.
func HoldingPage[V Stage]() pipeline.Step[V] {
	return Guarded(pipeline.Step[V]{
		Name: stepHoldingPage,
		Create: func(v V, at pipeline.At) []client.Object {
			return []client.Object{v.Stage().holdingPage(at)}
		},
		Judge:   available[V]("StartingHoldingPage", "the holding page"),
		Timeout: Within[V](5 * time.Minute), Insists: Committed[V],
	})
}

// CloseDoors points the door at the holding page, and proves it from inside. It is
// the first change of a run, so that everything is looked at again right before:
// what was checked may be hours old, and a yes taken back or a window over since.
// Closes notes in the view when users were shut out.
func CloseDoors[V Stage](
	objection func(V) *pipeline.Verdict, closed func(V, time.Time),
) pipeline.Step[V] {
	return Guarded(asApproved(objection, pipeline.Step[V]{
		Name: "CloseDoors",
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			s := v.Stage()
			return []v1alpha1.Change{production.Want(doorID, "Service", s.Site.Spec.Traffic.ServiceRef.Name,
				v1alpha1.FieldSelector, "", s.holdingLabels(), v1alpha1.UndoUntilCommit)}
		},
		Create: func(v V, at pipeline.At) []client.Object {
			s := v.Stage()
			return []client.Object{s.AgentJob(at, "door", []task.Action{{Name: "door", Deadline: task.Duration(3 * time.Minute),
				Probe: &task.Probe{BaseURL: s.doorURL(), WaitFor: task.Duration(2 * time.Minute), Requests: []task.Request{{
					Name: "closed", Path: "/", Expect: task.Expect{Status: []int{503},
						Header: map[string]string{"X-Gradus": "^holding-page$"}},
				}}}}}, nil)}
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if verdict, ok := v.Stage().standing(seen, "the door is pointed at the holding page"); !ok {
				return verdict
			}
			return pipeline.JobDone("ProvingClosed", "DoorStaysOpen", func(task.Result) pipeline.Verdict {
				return pipeline.Pass("users see the holding page")
			})(seen)
		},
		Record: func(v V, _ pipeline.At, seen pipeline.Seen) {
			c := v.Stage().change(doorID)
			if c == nil {
				return // refused, and never closed
			}
			at := seen.Now
			if c.At != nil {
				at = c.At.Time
			}
			closed(v, at)
		},
		Timeout: Within[V](15 * time.Minute), Insists: Committed[V],
	}))
}

// asApproved asks for objections until the door is in the journal; from there on
// the point of no return asks once more.
func asApproved[V Stage](objection func(V) *pipeline.Verdict, step pipeline.Step[V]) pipeline.Step[V] {
	change, create, judge := step.Change, step.Create, step.Judge
	refused := func(v V) *pipeline.Verdict {
		if v.Stage().change(doorID) != nil {
			return nil
		}
		return objection(v)
	}
	step.Change = func(v V, at pipeline.At) []v1alpha1.Change {
		if refused(v) != nil {
			return nil
		}
		return change(v, at)
	}
	step.Create = func(v V, at pipeline.At) []client.Object {
		if refused(v) != nil {
			return nil
		}
		return create(v, at)
	}
	step.Judge = func(v V, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if no := refused(v); no != nil {
			return *no
		}
		return judge(v, at, seen)
	}
	return step
}

// Quiesce takes the LMS's pods away: those that work in the background first.
// CronJobs start no more; what they have started is waited for. Pods end as they
// do on every deployment; the database keeps running.
func Quiesce[V Stage]() pipeline.Step[V] {
	return Guarded(pipeline.Step[V]{
		Name: "Quiesce",
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			s := v.Stage()
			changes := s.quiet()
			if s.unwatched(changes) != nil {
				return nil
			}
			return changes
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			if no := s.unwatched(s.quiet()); no != nil {
				return *no
			}
			if verdict, ok := s.standing(seen, "workloads are scaled to zero"); !ok {
				return verdict
			}
			if n, names := s.Running(); n > 0 {
				return pipeline.Wait("PodsStopping", "%d pods of %s are stopping", n, strings.Join(names, ", ")).
					By(seen.Now.Add(3 * time.Second))
			}
			return pipeline.Pass("no pod of the LMS runs")
		},
		Timeout: Within[V](15 * time.Minute), Insists: Committed[V],
	})
}

// quiet gives the changes that take the LMS's pods away.
func (s *Scene) quiet() []v1alpha1.Change {
	var changes []v1alpha1.Change
	for _, name := range s.awake() {
		changes = append(changes, production.Want(suspendID(name), "CronJob", name,
			v1alpha1.FieldSuspend, "", true, v1alpha1.UndoUntilCommit))
	}
	for _, web := range []bool{false, true} {
		for _, w := range s.Site.Spec.Workloads {
			if (w.Role == v1alpha1.RoleWeb) == web {
				changes = append(changes, production.Want(quietID(w.Name), w.TargetRef.Kind, w.TargetRef.Name,
					v1alpha1.FieldReplicas, "", 0, v1alpha1.UndoUntilCommit))
			}
		}
	}
	return changes
}

// Silence waits until nobody is connected to the database.
func Silence[V Stage](name string) pipeline.Step[V] {
	return Guarded(pipeline.Step[V]{
		Name:        name,
		AgainIfLost: true,
		Create: func(v V, at pipeline.At) []client.Object {
			s := v.Stage()
			t, _, err := s.Profile.SessionsTask(s.Params(), 5*time.Minute)
			if err != nil {
				return nil
			}
			return []client.Object{s.AgentJob(at, strings.ToLower(name), t.Actions, nil, s.ReaderMount())}
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			if _, _, err := s.Profile.SessionsTask(s.Params(), time.Minute); err != nil {
				return Unbuildable(err)
			}
			return pipeline.JobDone("CountingSessions", "SessionsLeft", func(task.Result) pipeline.Verdict {
				return pipeline.Pass("nobody is connected to the database")
			})(seen)
		},
		Timeout: Within[V](15 * time.Minute), Insists: Committed[V],
	})
}

// Within bounds a step: a Job whose node is lost may run for ever.
func Within[V Stage](limit time.Duration) func(V) time.Duration {
	return func(V) time.Duration { return limit }
}

// Committed says of a step that nothing would open the site if it failed: past
// its time it asks for a person and goes on.
func Committed[V Stage](v V) bool { return v.Stage().Committed() }

// Lock keeps everybody else from writing the site's workloads.
func Lock[V Stage]() pipeline.Step[V] {
	return Guarded(pipeline.Step[V]{
		Name: "Lock",
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			s := v.Stage()
			name := s.Owner.GetName()
			return []v1alpha1.Change{production.Want(lockID, "Namespace", s.Site.Namespace, v1alpha1.FieldLabel, "",
				strings.TrimRight(name[:min(63, len(name))], "-."), v1alpha1.UndoUntilCommit)}
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if verdict, ok := v.Stage().standing(seen, "the site's workloads are locked"); !ok {
				return verdict
			}
			return pipeline.Pass("nobody but Gradus writes the site's workloads")
		},
	})
}
