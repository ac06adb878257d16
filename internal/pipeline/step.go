// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package pipeline walks a ledger of named steps and records one verdict for
// each.
//
// Steps decide, the Engine acts: a step never sees a client, so every step is
// tested by calling functions. The package knows Kubernetes and nothing of an
// LMS.
package pipeline

import (
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/task"
)

// Step is one link of a pipeline. V is the view that it decides from; every
// function but Record must leave the view alone.
type Step[V any] struct {
	// Name is part of the API: it appears in status, labels and object names.
	Name string
	// Needs names the steps that must be settled first. Nil means the step
	// before this one; None means nothing.
	Needs []string
	// Each gives the keys (volumes, hops) that the step works on, one ledger
	// entry each. They are fixed when the needs are settled. Nil: one entry, no key.
	Each func(V) []string
	// InOrder works on the keys one after the other: a key begins when the one
	// before it is done.
	InOrder bool
	// Create gives the write-once objects that the step needs, by deterministic
	// names. It may give fewer while it waits for something.
	Create func(V, At) []client.Object
	// Change gives the writes to production that the step needs. Only GoLive
	// and Rollback have an engine that can carry them out.
	Change func(V, At) []v1alpha1.Change
	// Exchange gives the volumes to be exchanged, with the site closed. Only
	// Rollback does that.
	Exchange func(V, At) []Exchange
	// Remove gives children of earlier steps that must go. One without a UID is
	// whatever of that name carries the owner's UID as its label.
	Remove func(V, At) []v1alpha1.ChildRef
	// Judge says where the step stands, given what was seen.
	Judge func(V, At, Seen) Verdict
	// Record writes what was found into the status that the view carries. It is
	// called with a verdict that settles the entry: once, but for a failure of a
	// Repairable step, which is judged again.
	Record func(V, At, Seen)
	// Timeout after which a running step fails; time in which people are
	// awaited does not count. Nil or 0: none.
	Timeout func(V) time.Duration
	// Insists on being done: past its time it waits for a person, and goes on
	// by itself once it can.
	Insists func(V) bool
	// Attempts that the engine makes by itself; 0 means 1. Never more than 1
	// for a step that changes a schema.
	Attempts int32
	// AgainIfLost begins anew, twice at most, when nobody knows how a Job of it, or of its
	// child, ended. Not for what changes a database that is kept.
	AgainIfLost bool
	// Finally steps run when all others are settled or blocked by a failure
	// that is kept.
	Finally bool
	// Repairable steps only judge: a failure is judged anew on every reconcile,
	// so that mending the spec is enough.
	Repairable bool
	// Repeatable steps may be run again by a person although they passed, such
	// as a backup that has become too old, while this holds. What rests on them is not
	// undone. Nil: never.
	Repeatable func(V) bool
	// Repeats names the steps that begin anew with this one when a person runs it
	// again although it passed, as what they found rests on it. Named none, it is
	// not run again now. Nil: see Repeatable.
	Repeats func(V) []string
	// Documents that Gradus writes itself when the step passes, by name. They
	// are kept as evidence.
	Documents func(V, At) map[string][]byte
}

// None is the Needs of a step that needs nothing.
var None = []string{}

// At is the place in the ledger for which a step is asked.
type At struct {
	Key     string
	Attempt int32
	// Entry is the ledger's entry, to be read only.
	Entry v1alpha1.StepStatus
	owner Owner
}

// PlaceOf gives the place of an entry of an owner's ledger; one that never began
// would begin with its first attempt.
func PlaceOf(owner Owner, entry v1alpha1.StepStatus) At {
	return At{Key: entry.Key, Attempt: max(entry.Attempt, 1), Entry: entry, owner: owner}
}

// Name gives the deterministic name of a child: the owner's name, what the
// child is, its key, the attempt and 8 digits of the owner's UID (a plan
// deleted and applied again must not meet its predecessor's children).
func (a At) Name(what string) string {
	return Name(a.owner, what, a.Key, a.Attempt)
}

// ChildGoneReason surfaces when a child was deleted before its step was over.
const ChildGoneReason = "ChildGone"

// Seen is what the engine found.
type Seen struct {
	// Objects that Create asked for, as they are now; nil where an
	// object was made just now.
	Objects []client.Object
	// Jobs holds the outcome of every Job among them, by name.
	Jobs map[string]JobOutcome
	// Left is how many objects that Remove named still exist.
	Left int
	// Changed is true when every change that Change or Exchange asked for stands.
	Changed bool
	// Foreign is the change under which somebody else writes, if any.
	Foreign *v1alpha1.Change
	Now     time.Time
	Since   time.Time
	// Refused is since when the API server refuses Foreign; zero where it is
	// somebody else's write.
	Refused time.Time
	// again: a change was not made, for no reason that lasts.
	again bool
	// gone names a child that this attempt made and somebody deleted.
	gone string
}

// JobState says how far a Job is.
type JobState string

// States of a Job.
const (
	JobRunning   JobState = "Running"
	JobSucceeded JobState = "Succeeded"
	JobFailed    JobState = "Failed"
)

// JobOutcome is what a Job of ours said.
type JobOutcome struct {
	State JobState
	// Result that the agent left; zero when the pod died before it could.
	Result task.Result
	// Documents that the Job left, by name, once it is over.
	Documents map[string][]byte
	// Message explains a failure in which the agent had no say.
	Message string
	// Lost: nobody knows how it ended, which counts as a failure.
	Lost bool
	// Pending explains why the pod does not run yet.
	Pending string
	// LookAgain is when that may have changed with nobody to tell; zero when a
	// watch tells.
	LookAgain time.Time
	Started   time.Time
	Ended     time.Time
}

// Why says why a Job failed: in the agent's words, or else in the kubelet's.
func (o JobOutcome) Why() string { return firstOf(o.Result.Message, o.Message) }

// Job gives the outcome of the step's only Job.
func (s Seen) Job() JobOutcome {
	for _, outcome := range s.Jobs {
		return outcome
	}
	return JobOutcome{State: JobRunning}
}

// First gives the first object of a type among those seen.
func First[T client.Object](s Seen) (T, bool) {
	for _, obj := range s.Objects {
		if typed, ok := obj.(T); ok {
			return typed, true
		}
	}
	var none T
	return none, false
}

// Verdict is a step's answer. Reason is CamelCase and part of the API.
type Verdict struct {
	State           v1alpha1.StepState
	Reason, Message string
	// Until is when the step wants to be judged again, if nothing happens before.
	Until time.Time
}

// Pass settles a step that is done.
func Pass(format string, a ...any) Verdict {
	return Verdict{State: v1alpha1.StepPassed, Reason: "Passed", Message: fmt.Sprintf(format, a...)}
}

// Skip settles a step that has nothing to do.
func Skip(reason, format string, a ...any) Verdict {
	return Verdict{State: v1alpha1.StepSkipped, Reason: reason, Message: fmt.Sprintf(format, a...)}
}

// Wait says that machines work; a watch will wake us.
func Wait(reason, format string, a ...any) Verdict {
	return Verdict{State: v1alpha1.StepRunning, Reason: reason, Message: fmt.Sprintf(format, a...)}
}

// Await says that a person or the calendar is awaited.
func Await(reason, format string, a ...any) Verdict {
	return Verdict{State: v1alpha1.StepWaiting, Reason: reason, Message: fmt.Sprintf(format, a...)}
}

// Fail settles a step until somebody asks for a retry.
func Fail(reason, format string, a ...any) Verdict {
	return Verdict{State: v1alpha1.StepFailed, Reason: reason, Message: fmt.Sprintf(format, a...)}
}

// By asks to be judged again at a time.
func (v Verdict) By(t time.Time) Verdict {
	v.Until = t
	return v
}

// JobDone judges a step by its one Job: the reason of a failure is the agent's own.
func JobDone(waiting, failed string, passed func(task.Result) Verdict) func(Seen) Verdict {
	return func(s Seen) Verdict {
		job := s.Job()
		switch job.State {
		case JobSucceeded:
			return passed(job.Result)
		case JobFailed:
			if job.Lost {
				failed = v1alpha1.JobLostReason
			}
			return Fail(firstOf(job.Result.Reason, failed), "%s", job.Why())
		}
		if job.Pending != "" {
			return Wait(waiting, "the pod does not start: %s", job.Pending).By(job.LookAgain)
		}
		return Wait(waiting, "the Job is running").By(job.LookAgain)
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func isJob(obj client.Object) (*batchv1.Job, bool) {
	job, ok := obj.(*batchv1.Job)
	return job, ok && job != nil
}
