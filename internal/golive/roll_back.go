// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// StepRollBack is the step that makes the Rollback.
const StepRollBack = "RollBack"

// failedClosed says whether the run failed after the point of no return and
// before users were let in. It asks what is held, not how the ledger reads.
func (v View) failedClosed() bool { return v.Held() && v.shut() }

// shut says that the site is past the point of no return and nobody was let in, whoever has it.
func (v View) shut() bool { return v.Committed() && !v.opened() }

// askDatabase asks what the database says of itself after such a failure: a
// pod's last word is not the truth, its statements may have gone on.
var askDatabase = pipeline.Step[View]{
	Name: "AskDatabase", Finally: true,
	Create: func(v View, at pipeline.At) []client.Object {
		if !v.failedClosed() && len(at.Entry.Children) == 0 {
			return nil
		}
		if v.Site == nil || v.Profile == nil {
			return nil
		}
		t, _, err := v.Profile.VersionTask(v.Params(), "")
		if err != nil {
			return nil
		}
		return []client.Object{v.AgentJob(at, "ask", t.Actions, nil, v.ReaderMount())}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.failedClosed() && len(at.Entry.Children) == 0 {
			if v.shut() {
				return pipeline.Skip("NothingToAsk", "another run has the site")
			}
			return pipeline.Skip("NothingToAsk", "the site is open")
		}
		if v.Site == nil || v.Profile == nil { // another run has the site
			return pipeline.Skip("NothingToAsk", "the Site is gone")
		}
		if len(seen.Jobs) == 0 && len(seen.Objects) == 0 {
			return pipeline.Skip("ProfileIncomplete", "the profile cannot read a version")
		}
		switch job := seen.Job(); job.State {
		case pipeline.JobSucceeded:
			return pipeline.Pass("the database says it is at %s", job.Result.Facts["version.database"])
		case pipeline.JobFailed:
			return pipeline.Skip("NoAnswer", "the database gave no answer: %s", job.Result.Message)
		}
		return pipeline.Wait("AskingDatabase", "the database is asked for its version").By(seen.Job().LookAgain)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if version := seen.Job().Result.Facts["version.database"]; version != "" {
			v.GoLive.Status.Version = version
		}
	},
	Timeout: func(View) time.Duration { return 10 * time.Minute },
}

// rollingBack is kept before the Rollback is made: as soon as it is, it takes the site, and a
// run that could not keep that it made one, would not know the way back for its own.
const rollingBack = "RollingBack"

// rollBack goes back to the fix point after a failure with the doors closed,
// if the plan says so. The Rollback takes the lease over as it is: closed.
var rollBack = pipeline.Step[View]{
	Name: StepRollBack, Finally: true, Needs: []string{"GiveBack"},
	Create: func(v View, at pipeline.At) []client.Object {
		if !v.goingBack(at) {
			return nil
		}
		return []client.Object{&v1alpha1.Rollback{
			ObjectMeta: metav1.ObjectMeta{Namespace: v.GoLive.Namespace, Name: at.Name("back")},
			Spec: v1alpha1.RollbackSpec{SiteRef: v.GoLive.Spec.SiteRef, Files: v1alpha1.KeepInPlace,
				To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: v.GoLive.Name}}},
		}}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.goingBack(at) {
			switch {
			case v.goesBack():
				return pipeline.Wait(rollingBack, "the way back begins").By(seen.Now)
			case v.failedClosed():
				return pipeline.Skip("Held", "the site stays closed: a person decides")
			case v.shut():
				return pipeline.Skip("NotNeeded", "another run has the site")
			}
			return pipeline.Skip("NotNeeded", "there is nothing to go back from")
		}
		back, ok := pipeline.First[*v1alpha1.Rollback](seen)
		if !ok || back == nil {
			return pipeline.Wait(rollingBack, "the way back begins").By(seen.Now.Add(2 * time.Second))
		}
		switch conditions := back.Status.Conditions; {
		case meta.IsStatusConditionFalse(conditions, v1alpha1.SucceededCondition):
			return pipeline.Fail("RollbackFailed", "Rollback %s ended and did not bring the site back: %s%s", back.Name,
				meta.FindStatusCondition(conditions, v1alpha1.SucceededCondition).Message, v.next())
		case meta.IsStatusConditionTrue(conditions, v1alpha1.ReadyCondition):
			return pipeline.Pass("Rollback %s brought the site back", back.Name)
		case meta.IsStatusConditionTrue(conditions, v1alpha1.StalledCondition):
			// It may be repaired and go on: only a person can.
			return pipeline.Await("RollbackStalled", "Rollback %s: %s", back.Name,
				meta.FindStatusCondition(conditions, v1alpha1.StalledCondition).Message)
		}
		return pipeline.Wait(rollingBack, "Rollback %s goes back to the fix point", back.Name)
	},
}

// next says what a failed way back is followed by; nothing where another has the site already.
func (v View) next() string {
	if !v.failedClosed() {
		return ""
	}
	return "; the site stays closed until a person creates another Rollback to this GoLive"
}

// CannotGoBack tells a person when the Rollback could not be made for long; nil before that. It
// is tried on: users see the holding page.
func (v View) CannotGoBack(err error) *pipeline.Verdict {
	e := v.entry(StepRollBack, "")
	if err == nil || len(e.Children) > 0 || !v.goesBack() || !closing.Overdue(e, err, v.Now) {
		return nil
	}
	no := pipeline.Fail("RollbackNotMade", "the Rollback cannot be made, and is tried on: %v", err)
	return &no
}

// goingBack says whether the way back has begun: it was kept that it would and it still must,
// for a person may have retried what failed; or the Rollback is made.
func (v View) goingBack(at pipeline.At) bool {
	made := v.Rollback != nil && !v.opened()
	return len(at.Entry.Children) > 0 || at.Entry.Reason == rollingBack && (v.goesBack() || made)
}

// Unkept gives the name of the Rollback that the run may have made without keeping that it
// did; "" where it did not come to that, or kept it.
func (v View) Unkept() string {
	e := v.entry(StepRollBack, "")
	if e.Reason != rollingBack || len(e.Children) > 0 {
		return ""
	}
	return pipeline.PlaceOf(v.GoLive, e).Name("back")
}

// GaveWay says that the Rollback is made and not over. It takes the site when it is ready, and
// would take it from under a step that was retried. It does not once users are let in: the run
// goes on to its end then.
func (v View) GaveWay() bool {
	doors := v.entry(closing.StepOpenDoors, "")
	if v.opened() || doors.Started != nil && doors.State != v1alpha1.StepFailed {
		return false
	}
	e := v.entry(StepRollBack, "")
	return !pipeline.Over([]v1alpha1.StepStatus{e}) && (len(e.Children) > 0 || v.Rollback != nil)
}

func (v View) goesBack() bool {
	return v.failedClosed() && v.GoLive.Spec.OnFailure != v1alpha1.OnFailureHold && v.GoLive.Status.FixPoint != ""
}

// Advice says what a person can do about a failure past the point of no return.
func Advice(g *v1alpha1.GoLive) string {
	for _, e := range g.Status.Steps {
		if e.Name == StepRollBack && len(e.Children) > 0 {
			return e.Message
		}
	}
	if g.Status.Opened != nil {
		return "users are in: repair it and retry the step (annotation " + v1alpha1.RetryAnnotation + ")"
	}
	return "the site stays closed until a person retries the step (annotation " + v1alpha1.RetryAnnotation +
		") or creates a Rollback to this GoLive"
}
