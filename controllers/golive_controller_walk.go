// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// march is one walk of a run over a live site.
type march[V closing.Stage] struct {
	steps   []pipeline.Step[V]
	ledger  *[]v1alpha1.StepStatus
	view    V
	session *production.Session
	// objection to the point of no return.
	objection func(V) *pipeline.Verdict
	// stopped says that people have given the run up; nil: it is deleted then.
	stopped func(V) *pipeline.Verdict
	// wayBack: past the point of no return another run takes over from this one
	// where it fails. A rollback is the last that there is: it goes on trying.
	wayBack bool
	// ending: another run has taken the site over, and this one only ends.
	ending bool
}

// walk runs the steps of a run that is not over and has not lost its lease.
func walk[V closing.Stage](ctx context.Context, b Base, owner production.Owner, m march[V]) (pipeline.Verdict, error) {
	scene := m.view.Stage()
	if no := m.halt(b.Clock.Now()); no != nil {
		return *no, nil
	}
	if closing.Committing(*m.ledger) && closing.MayCommit(m.view, m.objection) == nil {
		grip, err := b.writer().Leases.Keep(ctx, owner, production.WishCommit, "")
		if err != nil {
			return pipeline.Verdict{}, err
		}
		scene.Grip = grip
	}
	engine := b.Engine
	// What was put back stays so: a retry that is heard now would close the site
	// again, with nobody left who undoes that.
	engine.Production, engine.Ending = m.session, m.ending || !scene.Committed() && closing.Undoing(*m.ledger)
	verdict, err := pipeline.Run(ctx, engine, owner, m.steps, m.view, m.ledger)
	if err != nil && scene.Held() && m.giveUp(err, b.Clock.Now()) {
		return givingUp(m.instead()+": "+err.Error(), b.Clock.Now()), nil
	}
	if told := closing.Refused(*m.ledger); err == nil && told != nil {
		return failed(*told), nil // more telling than the failure that is being undone
	}
	return verdict, err
}

// giveUp fails a step that cannot get on, where the run is better off without it.
func (m march[V]) giveUp(err error, now time.Time) bool {
	if !m.view.Stage().Committed() {
		return closing.GiveUp(*m.ledger, err, now)
	}
	return m.wayBack && closing.GiveUpCommitted(*m.ledger, err, now)
}

// givingUp comes back at once: nothing is undone before the failure is kept.
func givingUp(why string, now time.Time) pipeline.Verdict {
	return pipeline.Wait("GivingUp", "%s", why).By(now)
}

// instead says what follows.
func (m march[V]) instead() string {
	if m.view.Stage().Committed() {
		return "the run does not go on like this"
	}
	return "the site is put back as it was"
}

// halt says what a run that holds a site must not go on against; nil when nothing.
// Past the point of no return it waits. Before it the run is given up, and the walk
// goes on to put the site back.
func (m march[V]) halt(now time.Time) *pipeline.Verdict {
	scene := m.view.Stage()
	if scene.Grip.Unattended {
		closing.Unattended(*m.ledger)
	}
	if !scene.Held() {
		return nil
	}
	what := scene.Blind(*m.ledger)
	var no pipeline.Verdict
	switch {
	case !scene.Committed():
		return m.giveBack(what, now)
	case what != "":
		no = pipeline.Fail(v1alpha1.SiteNotReadyReason, "%s; the site stays as it is until it is back", what)
	case scene.Rival != nil:
		no = failed(scene.Conflict(*scene.Rival))
	default:
		return nil
	}
	return &no
}

// giveBack gives up a run before the point of no return that cannot see its site, or that
// people have given up: they do not wait for its copies, after which that point would ask
// them, for users would be shut out until then.
func (m march[V]) giveBack(blind string, now time.Time) *pipeline.Verdict {
	reason, why := v1alpha1.SiteNotReadyReason, blind
	if why == "" && m.stopped != nil && m.view.Stage().Shut() {
		if no := m.stopped(m.view); no != nil {
			reason, why = no.Reason, no.Message
		}
	}
	if why == "" || !closing.Abandon(*m.ledger, reason, why, now) {
		return nil
	}
	wait := givingUp(m.instead()+": "+why, now)
	return &wait
}

// failed turns what waits for a person's repair into a stall, without
// settling any step.
func failed(v pipeline.Verdict) pipeline.Verdict {
	v.State = v1alpha1.StepFailed
	return v
}

// patience bounds the time between two attempts: a holder that waits longer
// than its lease would lose it to the watchdog.
func patience() controller.Options {
	return controller.Options{RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
		200*time.Millisecond, production.DefaultRenew)}
}

// awake comes back in time to renew what is held.
func (b Base) awake(result ctrl.Result, err error, owner production.Owner) (ctrl.Result, error) {
	every := b.writer().Leases.Every()
	if err == nil && owner.Held() != nil && (result.RequeueAfter == 0 || result.RequeueAfter > every) {
		result.RequeueAfter = every
	}
	return result, err
}
