// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"errors"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// switchOver renames both databases in one transaction. Run again it finds
// that it was done. The side that is switched away is kept under its new name.
var switchOver = func() pipeline.Step[View] {
	step := jobStep("Switch", "Switching", "SwitchFailed", View.switchJob, func(v View, _ task.Result) pipeline.Verdict {
		return pipeline.Pass("database %s is the restored one; the other is kept as %s",
			v.Site.Spec.Database.Name, v.replaced())
	})
	create, judge := step.Create, step.Judge
	may := func(v View) bool { return v.Held() && v.Committed() }
	step.Create = func(v View, at pipeline.At) []client.Object {
		if !may(v) {
			return nil
		}
		return create(v, at)
	}
	step.Judge = func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !may(v) {
			return pipeline.Fail(v1alpha1.LeaseLostReason, "the site is not held past the point of no return")
		}
		return judge(v, at, seen)
	}
	step.Record = func(v View, _ pipeline.At, seen pipeline.Seen) {
		kept := "database " + v.replaced() + " on the server of " + v.Site.Name
		if seen.Job().State == pipeline.JobSucceeded && !slices.Contains(v.Rollback.Status.Replaced, kept) {
			v.Rollback.Status.Replaced = append(v.Rollback.Status.Replaced, kept)
			v.Rollback.Status.After = v.source().Counts
		}
	}
	return step
}()

func (v View) switchJob(at pipeline.At) (*batchv1.Job, error) {
	server := v.DatabaseAs(ownerDir)
	server.Name = "postgres"
	rename := &task.Rename{
		Database: server, Live: v.Site.Spec.Database.Name, Replacement: v.beside(), Replaced: v.replaced(),
	}
	actions := []task.Action{{Name: "switch", Deadline: task.Duration(10 * time.Minute), Rename: rename}}
	return v.AgentJob(at, "switch", actions, nil, v.OwnerMount()), nil
}

// images puts back what the workloads ran before the go-live. A change that
// was taken over from it is undone; one of a go-live that is history is made
// anew: what runs now may be a later image.
var images = pipeline.Step[View]{
	Name: "Images",
	Change: func(v View, _ pipeline.At) []v1alpha1.Change {
		var undo, anew []v1alpha1.Change
		for _, c := range v.source().Images {
			if v.gone(c) {
				continue // what is gone runs nothing
			}
			taken := slices.ContainsFunc(v.Rollback.Status.Changes, func(mine v1alpha1.Change) bool { return mine.ID == c.ID })
			if taken {
				undo = append(undo, c)
				continue
			}
			if v.afterFailure() {
				continue // intended, and never made
			}
			before, err := production.ValueOf(c.Before)
			if err != nil || before == nil {
				continue
			}
			back := c
			back.ID = "back-" + strings.TrimPrefix(c.ID, "release-")
			back.After, back.Before, back.State, back.At, back.Foreign = c.Before, nil, "", nil, ""
			back.Target.UID = ""
			anew = append(anew, back)
		}
		return append(production.Back(undo), anew...)
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		switch {
		case seen.Foreign != nil:
			return v.Stopped(seen)
		case !seen.Changed || !v.runsOldImages():
			// Not before it is seen live: what comes next copies the live template.
			return pipeline.Wait("Releasing", "the images of %s are written back", v.version()).By(seen.Now.Add(time.Second))
		case len(v.source().Images) == 0:
			return pipeline.Skip("SameImages", "the workloads run %s already", v.version())
		}
		return pipeline.Pass("the workloads have the images of %s", v.version())
	},
}

// gone says whether the CronJob that a release gave another image was deleted since.
func (v View) gone(c v1alpha1.Change) bool {
	return c.Target.Kind == "CronJob" && !slices.ContainsFunc(v.CronJobs, func(cron batchv1.CronJob) bool {
		return cron.Name == c.Target.Name
	})
}

// runsOldImages says whether the web workload's live template has the images
// that are put back.
func (v View) runsOldImages() bool {
	_, live := v.Web()
	for _, c := range v.source().Images {
		if live == nil || c.Target.Kind != "Deployment" || c.Target.Name != live.Name {
			continue
		}
		want, err := production.ImagesOf(c.Before)
		if err != nil {
			return true // the change itself says what is wrong with it
		}
		for _, container := range slices.Concat(live.Spec.Template.Spec.InitContainers, live.Spec.Template.Spec.Containers) {
			if image, ok := want[container.Name]; ok && image != container.Image {
				return false
			}
		}
	}
	return true
}

// purgeCaches empties what the LMS cached of the other database.
var purgeCaches = pipeline.Step[View]{
	Name: "PurgeCaches",
	Create: func(v View, at pipeline.At) []client.Object {
		t, _, err := v.Profile.VerbTask(profile.CachesVerb, v.oldCode())
		if err != nil {
			return nil
		}
		return []client.Object{v.ApplicationJob(at, "caches", nil, t.Actions).Build()}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if _, _, err := v.Profile.VerbTask(profile.CachesVerb, v.oldCode()); errors.Is(err, profile.ErrNone) {
			return pipeline.Skip("NoCaches", "%v", err)
		} else if err != nil {
			return pipeline.Fail("ProfileIncomplete", "%v", err)
		}
		return pipeline.JobDone("PurgingCaches", "PurgeFailed", func(task.Result) pipeline.Verdict {
			return pipeline.Pass("the LMS's caches are empty")
		})(seen)
	},
}

func (v View) oldCode() profile.Params {
	q := v.Params()
	q.Target, q.Code = v.version(), v.version()
	return q
}
