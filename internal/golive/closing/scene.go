// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package closing holds what a go-live and a rollback have in common: they
// take a live site, close it, work on it, and open it again. Its steps are
// generic over the view of either.
package closing

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// Scene is the live site as a run finds it, from live objects only.
type Scene struct {
	Owner   production.Owner
	Site    *v1alpha1.Site
	Profile *profile.Profile
	// Workloads by the Site's names, and how many pods of each there still are.
	Workloads map[string]*appsv1.Deployment
	Pods      map[string]int
	// CronJobs whose pods work on the site.
	CronJobs []batchv1.CronJob
	// Database server, where it serves this site alone.
	Database *appsv1.StatefulSet
	Door     *corev1.Service
	// Missing names what the Site names and was not found.
	Missing []string
	// Grip is what is known of the lease; Rival a change that was made and does
	// not stand any more.
	Grip  production.Grip
	Rival *v1alpha1.Change
	// Bypassed: somebody else leads users past the run's holding page to pods that run.
	Bypassed bool
	// HolderGone: the lease's holder is a run that is no more.
	HolderGone bool
	// Inherits are runs that left a closed site, which this one takes over as it is.
	Inherits []string
	// Watched are the targets that this run's watchdog has rights on; nil when
	// that does not matter: nothing is held, or nothing is undone any more.
	Watched []v1alpha1.ChangeTarget
	// Image is our own.
	Image         string
	LeaseDuration time.Duration
	Now           time.Time
}

// Stage lets the generic steps see the scene of any view that embeds it.
func (s *Scene) Stage() *Scene { return s }

// Stage is a view with a scene.
type Stage interface{ Stage() *Scene }

// Committed says whether nothing is undone any more.
func (s *Scene) Committed() bool { return s.Grip.Point == v1alpha1.PointCommitted }

// Held says whether the site is ours.
func (s *Scene) Held() bool { return s.Grip.Held }

// Running counts the pods that have not gone yet.
func (s *Scene) Running() (total int, names []string) {
	for _, w := range s.Site.Spec.Workloads {
		if n := s.Pods[w.Name]; n > 0 {
			total += n
			names = append(names, w.Name)
		}
	}
	for _, c := range s.CronJobs {
		if n := s.Pods[CronPods(c.Name)]; n > 0 {
			total += n
			names = append(names, "CronJob "+c.Name)
		}
	}
	return total, names
}

// CronPods is the key of a CronJob's pods.
func CronPods(name string) string { return "cronjob/" + name }

// ids of the changes that close a site.
const (
	doorID = "door"
	lockID = "lock"
)

func quietID(workload string) string { return "replicas-" + workload }

func suspendID(cronJob string) string { return pipeline.Key("suspend-" + cronJob) }

// Suspends says whether a CronJob is asleep because of the run, which wakes it again.
func (s *Scene) Suspends(cronJob string) bool { return s.change(suspendID(cronJob)) != nil }

// Shut says whether users are kept out, or are about to be.
func (s *Scene) Shut() bool { return s.change(doorID) != nil }

// suspended gives the ids of the CronJobs that the run has suspended.
func (s *Scene) suspended() []string {
	var ids []string
	for _, c := range *s.Owner.Journal() {
		if c.Field == v1alpha1.FieldSuspend {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// awake gives the CronJobs that may start pods, or that the run has suspended.
func (s *Scene) awake() []string {
	var names []string
	for _, c := range s.CronJobs {
		if !ptr.Deref(c.Spec.Suspend, false) || s.change(suspendID(c.Name)) != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// ReleaseID is the id of the change of a workload's images.
func ReleaseID(workload string) string { return pipeline.Key("release-" + workload) }

// change finds one of the journal.
func (s *Scene) change(id string) *v1alpha1.Change {
	journal := *s.Owner.Journal()
	for i := range journal {
		if journal[i].ID == id {
			return &journal[i]
		}
	}
	return nil
}

// open gives those changes of the journal, out of some, that are not put back.
func (s *Scene) open(ids ...string) []v1alpha1.Change {
	var out []v1alpha1.Change
	for _, c := range *s.Owner.Journal() {
		if slices.Contains(ids, c.ID) {
			out = append(out, c)
		}
	}
	return out
}

// Web gives the workload that users reach.
func (s *Scene) Web() (v1alpha1.Workload, *appsv1.Deployment) {
	for _, w := range s.Site.Spec.Workloads {
		if w.Role == v1alpha1.RoleWeb {
			return w, s.Workloads[w.Name]
		}
	}
	return v1alpha1.Workload{}, nil
}

// ofRole gives the names of the workloads that users reach, or of all others.
func (s *Scene) ofRole(web bool) []string {
	var names []string
	for _, w := range s.Site.Spec.Workloads {
		if (w.Role == v1alpha1.RoleWeb) == web {
			names = append(names, w.Name)
		}
	}
	return names
}

// Where Jobs of ours find credentials.
const (
	ownerDir  = "/gradus/owner"
	readerDir = "/gradus/reader"
	probeDir  = "/gradus/probe"
)

// Params are what the profile needs to know of the live site.
func (s *Scene) Params() profile.Params {
	q := profile.Params{
		URL: s.Site.Spec.URL, FromURL: s.Site.Spec.URL, Prefix: s.Site.Spec.Database.TablePrefix,
		Reader: s.DatabaseAs(readerDir), Owner: s.DatabaseAs(ownerDir),
	}
	if len(s.Site.Spec.Volumes) > 0 {
		q.DataRoot = s.Site.Spec.Volumes[0].MountPath
	}
	scheme, host, _ := strings.Cut(s.Site.Spec.URL, "://")
	q.Host, q.ForwardedProto = host, scheme
	return q
}

// DatabaseAs says how to reach the live database with the credentials in a directory.
func (s *Scene) DatabaseAs(credentials string) task.Database {
	db := s.Site.Spec.Database
	host := db.Host
	switch {
	case host != "":
	case db.ServiceRef != nil:
		host = db.ServiceRef.Name
	case s.Database != nil:
		host = s.Database.Spec.ServiceName
	}
	return task.Database{Host: host, Port: int(db.Port), Name: db.Name, CredentialsDir: credentials}
}

// standing judges the changes of a step. The second value is false when the
// step has nothing to say but the verdict.
func (s *Scene) standing(seen pipeline.Seen, what string) (pipeline.Verdict, bool) {
	if seen.Foreign != nil {
		return s.Stopped(seen), false
	}
	if !seen.Changed {
		return pipeline.Wait("Changing", "%s", what).By(seen.Now.Add(time.Second)), false
	}
	return pipeline.Verdict{}, true
}

// Stopped says what it means that a change is not made. A refusal must last: an
// API server that starts knows neither roles nor policies for a moment, and
// refuses all.
func (s *Scene) Stopped(seen pipeline.Seen) pipeline.Verdict {
	c := *seen.Foreign
	if c.State == v1alpha1.ChangeIntended && !s.Committed() && seen.Now.Sub(seen.Refused) < patienceForRefusals {
		return pipeline.Wait(reasonRefused, "%s of %s %s cannot be written: %s",
			c.Field, c.Target.Kind, c.Target.Name, c.Foreign).By(seen.Now.Add(2 * time.Second))
	}
	return s.Conflict(c)
}

// Conflict says what a rival means: before the point of no return the run
// ends and undoes; after it nothing goes on until the value that Gradus wrote is back.
func (s *Scene) Conflict(c v1alpha1.Change) pipeline.Verdict {
	if c.State == v1alpha1.ChangeIntended || c.State == v1alpha1.ChangeUndoing {
		return s.refusal(c)
	}
	format := "%s of %s %s is written by %s"
	args := []any{c.Field, c.Target.Kind, c.Target.Name, c.Foreign}
	if s.Committed() {
		value, command := production.Mend(s.Owner.GetNamespace(), c, c.After)
		return pipeline.Await(v1alpha1.ConflictingWriterReason, format+
			" while Gradus works on the site; it goes on when the value is %s again. Stop that writer, then: %s",
			append(args, value, command)...).By(s.Now.Add(15 * time.Second))
	}
	return pipeline.Fail(v1alpha1.ConflictingWriterReason, format+"; stop it for the time of the upgrade", args...)
}

// refusal says what it means that the API server lets a change not through.
// One that was not made ends the run before the point of no return, as a rival
// does. One that is to be put back is tried again for as long as it takes.
func (s *Scene) refusal(c v1alpha1.Change) pipeline.Verdict {
	verdict := Refusal(s.Owner.GetNamespace(), c)
	if c.State == v1alpha1.ChangeIntended && !s.Committed() {
		verdict.State = v1alpha1.StepFailed
		return verdict
	}
	return verdict.By(s.Now.Add(15 * time.Second))
}

// Refusal tells people what is refused, by whom, and how it can be had.
func Refusal(namespace string, c v1alpha1.Change) pipeline.Verdict {
	want, what := c.After, "cannot be written"
	if c.State == v1alpha1.ChangeUndoing {
		want, what = c.Before, "cannot be put back"
	}
	value, command := production.Mend(namespace, c, want)
	return pipeline.Await(reasonRefused, "%s of %s %s %s: %s. Let service account gradus-production "+
		"of namespace gradus-system write %s, or write it yourself: %s",
		c.Field, c.Target.Kind, c.Target.Name, what, c.Foreign, value, command)
}

// Refused gives what keeps a run from putting the site back; nil when nothing does.
func Refused(ledger []v1alpha1.StepStatus) *pipeline.Verdict {
	for _, e := range ledger {
		if e.State == v1alpha1.StepWaiting && e.Reason == reasonRefused {
			verdict := pipeline.Await(e.Reason, "%s: %s", e.Name, e.Message)
			return &verdict
		}
	}
	return nil
}

// Guarded fails a step, before the point of no return, when a change that was
// made does not stand any more.
func Guarded[V Stage](step pipeline.Step[V]) pipeline.Step[V] {
	judge := step.Judge
	step.Judge = func(v V, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if s := v.Stage(); s.Rival != nil && s.Held() && !s.Committed() {
			return s.Conflict(*s.Rival)
		}
		return judge(v, at, seen)
	}
	return step
}
