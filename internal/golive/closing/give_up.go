// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// How long a request may fail while a closed site could still be opened.
const (
	patienceForRefusals = 30 * time.Second
	patience            = 10 * time.Minute
	// A site past the point of no return is not opened by giving up: going back
	// costs more than waiting for a quota to be raised.
	patienceForRefusalsCommitted = 10 * time.Minute
	patienceCommitted            = 30 * time.Minute
)

// GiveUp fails the step that cannot get on because requests fail, when users
// have waited long enough for it: a site must not stay closed because a quota
// refuses a Job. What counts is how long they fail, not how long the step runs:
// an API server that starts again refuses what it let pass before. It is for
// runs before the point of no return only, and tells whether it gave up.
func GiveUp(ledger []v1alpha1.StepStatus, err error, now time.Time) bool {
	for i := range ledger {
		e := &ledger[i]
		switch e.State {
		case v1alpha1.StepPassed, v1alpha1.StepSkipped, v1alpha1.StepFailed:
			continue
		}
		if !lasted(*e, err, now, patienceForRefusals, patience) {
			return false
		}
		abandon(e, "CannotProceed", err.Error(), now)
		return true
	}
	return false
}

// lasted says whether requests of a step have failed for long enough: for as long
// as refusals may last, each of them was refused, or in any way for longer.
func lasted(e v1alpha1.StepStatus, err error, now time.Time, refusals, failures time.Duration) bool {
	if pipeline.Refusal(err) && e.Refused != nil && now.Sub(e.Refused.Time) >= refusals {
		return true
	}
	return e.Hindered != nil && now.Sub(e.Hindered.Time) >= failures
}

// Overdue says whether requests of a step past the point of no return have failed for so long
// that it is given up or, where it must be done, that a person should hear of it.
func Overdue(e v1alpha1.StepStatus, err error, now time.Time) bool {
	return lasted(e, err, now, patienceForRefusalsCommitted, patienceCommitted)
}

// Unattended forgets since when requests fail: nobody made any meanwhile.
func Unattended(ledger []v1alpha1.StepStatus) {
	for i := range ledger {
		ledger[i].Hindered, ledger[i].Refused = nil, nil
	}
}

// GiveUpCommitted does the same past the point of no return, so that the way
// back begins, or a person hears of it. It fails only what never came to
// anything: one request that fails is no reason to leave a hop that runs. Once
// the door may be written it gives up nothing.
func GiveUpCommitted(ledger []v1alpha1.StepStatus, err error, now time.Time) bool {
	if Opening(ledger) {
		return false
	}
	for i := range Working(ledger) {
		// Whatever could be judged once is not pending any more.
		if e := &ledger[i]; e.State == v1alpha1.StepPending && e.Started != nil {
			if !Overdue(*e, err, now) {
				return false
			}
			abandon(e, "CannotProceed", err.Error(), now)
			return true
		}
	}
	return false
}

// Abandon fails the step at which a ledger stands, because the site's own
// objects are gone. It says whether there was such a step.
func Abandon(ledger []v1alpha1.StepStatus, reason, why string, now time.Time) bool {
	for i := range ledger {
		switch ledger[i].State {
		case v1alpha1.StepPassed, v1alpha1.StepSkipped:
			continue
		case v1alpha1.StepFailed:
			return false
		}
		abandon(&ledger[i], reason, why, now)
		return true
	}
	return false
}

func abandon(e *v1alpha1.StepStatus, reason, why string, now time.Time) {
	at := metav1.NewTime(now)
	e.State, e.Reason, e.Finished = v1alpha1.StepFailed, reason, &at
	e.Message = message.Clip(why, message.Step)
	if e.Started == nil {
		e.Started = &at
	}
	e.Attempt = max(e.Attempt, 1)
}

// Loss is what a run does that finds its lease no longer its own.
type Loss string

// Losses.
const (
	// LossWait: somebody else holds the lease, or took it past the point of no
	// return. The run only looks.
	LossWait Loss = "Wait"
	// LossEnd: nobody holds it, and nothing irreversible has happened. The run
	// takes it once more, to put back what still stands and to end.
	LossEnd Loss = "End"
	// LossResume: it is gone, nobody took it, and the point of no return is
	// passed. The run makes it anew as Committed and goes on.
	LossResume Loss = "Resume"
)

// AfterLoss decides that. A lease that is gone tells nobody anything: not the
// watchdog, which has nothing to watch, nor the next run, which would take the
// site as it found it: closed. So the run itself holds it again, with a number
// above its old one, and never as less than it was: Committed by its own
// status, by what the lease still says, or because its ledger stands right
// before that point, and whether it was passed is not known. Only whoever took
// the lease over before that point, and let it go, was sure that it was Reversible.
func AfterLoss(owner production.Owner, grip production.Grip, ledger []v1alpha1.StepStatus) (Loss, v1alpha1.LeasePoint) {
	held := owner.Held()
	taken := grip.Fence > held.Fence
	// Deleted, put back and let go, and then we crashed: it is put back once more.
	letGo := !owner.GetDeletionTimestamp().IsZero() && grip.Fence == held.Fence && grip.Point == ""
	committed := held.Point == v1alpha1.PointCommitted || grip.Point == v1alpha1.PointCommitted ||
		Committing(ledger) && !taken && !letGo
	switch {
	case grip.Holder == production.Identity(owner): // taken back, and then we crashed
		committed = grip.Point == v1alpha1.PointCommitted
	case grip.Holder != "", committed && taken, othersPoint(held, grip, ledger):
		return LossWait, held.Point
	}
	if committed {
		return LossResume, v1alpha1.PointCommitted
	}
	return LossEnd, v1alpha1.PointReversible
}

// othersPoint says that a free lease tells how far another run was: this one was not near that.
func othersPoint(held *v1alpha1.HeldLease, grip production.Grip, ledger []v1alpha1.StepStatus) bool {
	return grip.Point == v1alpha1.PointCommitted && held.Point != v1alpha1.PointCommitted && !Committing(ledger)
}

// Regained writes into the ledger what follows from a lease that was taken
// back: the end, or, where it is not known whether the point of no return was
// passed, that it is taken as passed and a person decides how to go on.
func Regained(ledger []v1alpha1.StepStatus, loss Loss, now time.Time) {
	switch {
	case loss == LossEnd:
		Abandon(ledger, v1alpha1.LeaseLostReason,
			"the site's lease was deleted, or taken over and let go; the site is put back as it was", now)
	case Committing(ledger):
		at := metav1.NewTime(now)
		for i := range ledger {
			if e := &ledger[i]; e.Name == StepCommit {
				e.State, e.Reason, e.Finished = v1alpha1.StepPassed, v1alpha1.LeaseLostReason, &at
				e.Message = "taken as passed: the site's lease was deleted at this very moment"
			}
		}
		Abandon(ledger, v1alpha1.LeaseLostReason, "the site's lease was deleted while the point of no return was passed", now)
	}
}

// Incomplete fails the first step of a run on a site that is not all there; nil
// when it is.
func (s *Scene) Incomplete() *pipeline.Verdict {
	var no pipeline.Verdict
	switch {
	case s.Site == nil:
		no = pipeline.Fail(v1alpha1.SiteNotFoundReason, "Site %s does not exist", s.Owner.SiteName())
	case s.Profile == nil:
		no = pipeline.Fail("ProfileUnknown", "profile %q is not one that this version of Gradus has", s.Site.Spec.Profile)
	case len(s.Missing) > 0:
		no = pipeline.Fail(v1alpha1.SiteNotReadyReason, "missing: %s", strings.Join(s.Missing, ", "))
	default:
		return nil
	}
	return &no
}

// Blind says what a run that began cannot go on without; "" when it can.
func (s *Scene) Blind(ledger []v1alpha1.StepStatus) string {
	if len(ledger) == 0 || ledger[0].State != v1alpha1.StepPassed {
		return "" // the first step looks at this itself
	}
	if s.Site == nil {
		return "the Site was deleted"
	}
	switch _, web := s.Web(); {
	case s.Profile == nil:
		return "the Site's profile is not one that this version of Gradus has"
	case s.Door == nil || s.Door.Name == "":
		return "Service " + s.Site.Spec.Traffic.ServiceRef.Name + " is gone"
	case web == nil:
		return "the web workload is gone"
	}
	return ""
}
