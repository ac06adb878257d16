// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// reasonResuming: the database was asked, and the hop may be run again.
const reasonResuming = "Resuming"

// longestLock is how long the lock of an upgrade that died is waited for.
const longestLock = time.Hour

// ranBefore says whether an earlier attempt may have begun this hop. Attempts
// of all hops count together until the hop before passes; only then can this
// one have begun.
func (v View) ranBefore(at pipeline.At) bool {
	first := int32(1)
	if _, before := v.before(at.Key); before != "" {
		first = max(v.entry(StepHops, before).Attempt, 1)
	}
	return at.Attempt > first
}

// made says whether this attempt has made its Job that upgrades, or is to.
func made(at pipeline.At) bool {
	return at.Entry.Reason == reasonResuming ||
		slices.ContainsFunc(at.Entry.Children, func(c v1alpha1.ChildRef) bool { return c.Name == at.Name("hop") })
}

// earlierPods names the Jobs of earlier attempts that still run.
func (v View) earlierPods(at pipeline.At) (total int, jobs []string) {
	for _, job := range slices.Sorted(maps.Keys(v.HopPods)) {
		if job == at.Name("hop") || job == at.Name("resume") {
			continue
		}
		total += v.HopPods[job]
		jobs = append(jobs, job)
	}
	return total, jobs
}

// createAgain gives the Job that asks the database, and only then the one that
// upgrades.
func (v View) createAgain(at pipeline.At) []client.Object {
	build := v.askJob
	if made(at) {
		build = v.hopJob
	} else if n, _ := v.earlierPods(at); n > 0 {
		return nil
	}
	job, err := build(at)
	if err != nil {
		return nil
	}
	return []client.Object{job}
}

// judgeAgain decides whether a hop that an earlier attempt began is run again.
// A pod of that attempt may live on, on a node that is out of reach, and a
// statement of a dead one may go on and commit.
func (v View) judgeAgain(at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
	if n, jobs := v.earlierPods(at); n > 0 {
		return pipeline.Fail("HopPodsLeft", "%d pods of an earlier attempt have not ended (Jobs %s); if their node is lost, "+
			"make sure that it is off, delete them and retry the step; or create a Rollback to this GoLive",
			n, strings.Join(jobs, ", "))
	}
	return pipeline.JobDone("AskingDatabase", "AskFailed", func(r task.Result) pipeline.Verdict {
		return v.answered(at.Key, r, seen.Now)
	})(seen)
}

// answered judges what the database said of the hop that died.
func (v View) answered(key string, r task.Result, now time.Time) pipeline.Verdict {
	switch held, until := lockedUntil(r); {
	case arrived(r):
		return pipeline.Pass("the database is at %s already and nothing is pending: nothing was run again", key)
	case !v.Profile.Resume.Resumes:
		return pipeline.Fail("HopDoesNotResume", "an earlier attempt began the upgrade to %s, and an upgrade of %s does not "+
			"go on where it stopped (%s): create a Rollback to this GoLive", key, v.Profile.Title, v.Profile.Resume.Note)
	case held && (until.IsZero() || until.Sub(now) > longestLock):
		return pipeline.Fail("UpgradeLocked", "the database says that an upgrade holds it (%s), and nobody is connected: "+
			"end that with the product's own means and retry the step, or create a Rollback to this GoLive",
			r.Facts["lock.until"])
	case held && now.Before(until):
		return pipeline.Wait("AwaitingLock", "the upgrade that died holds the database until %s",
			until.UTC().Format(time.RFC3339)).By(until)
	}
	return pipeline.Wait(reasonResuming, "nobody is connected to the database; the upgrade to %s goes on", key).
		By(now.Add(time.Second))
}

// arrived says whether the database is where the hop leads, proven as after a
// hop: by version, by nothing pending, by no lock.
func arrived(r task.Result) bool {
	proven := map[string]bool{}
	for _, a := range r.Actions {
		proven[a.Name] = a.OK
	}
	held, _ := lockedUntil(r)
	return proven["version"] && proven[string(profile.PendingVerb)] && !held
}

// lockedUntil reads until when an upgrade holds the database; no time when it
// does not say.
func lockedUntil(r task.Result) (held bool, until time.Time) {
	said := strings.TrimSpace(r.Facts["lock.until"])
	if said == "" || said == "0" {
		return false, time.Time{}
	}
	seconds, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return true, time.Time{}
	}
	return true, time.Unix(seconds, 0)
}

// askJob asks whether anybody is connected, and then what became of the
// upgrade. It changes nothing, and has the image of the hop: the product's own
// word on what is pending is that of the new code.
func (v View) askJob(at pipeline.At) (*batchv1.Job, error) {
	q := v.Params()
	q.Target = at.Key
	sessions, _, err := v.Profile.SessionsTask(q, 5*time.Minute)
	if err != nil {
		return nil, err
	}
	after, _, err := v.Profile.AftermathTask(q)
	if err != nil {
		return nil, err
	}
	version, _, err := v.Profile.VersionTask(q, at.Key)
	if err != nil {
		return nil, err
	}
	own := slices.DeleteFunc(after.Actions, func(a task.Action) bool { return a.Name == "version" })
	answers := slices.Concat(own, version.Actions)
	if pending, _, err := v.Profile.VerbTask(profile.PendingVerb, q); err == nil {
		answers = append(answers, pending.Actions...)
	}
	for i := range answers {
		answers[i].Advisory = true // an answer, whatever it is
	}
	job := v.ApplicationJob(at, "resume", v.images(at.Key), append(sessions.Actions, answers...))
	return job.Build(), nil
}
