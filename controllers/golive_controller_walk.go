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

// halt says what a run past the point of no return must not go on against; nil
// when nothing. Before that point a site that cannot be seen is given up, and
// the walk goes on to put it back.
func (m march[V]) halt(now time.Time) *pipeline.Verdict {
	scene := m.view.Stage()
	if scene.Grip.Unattended {
		closing.Unattended(*m.ledger)
	}
	if what := scene.Blind(*m.ledger); what != "" && scene.Held() {
		if scene.Committed() {
			no := pipeline.Fail(v1alpha1.SiteNotReadyReason, "%s; the site stays as it is until it is back", what)
			return &no
		}
		if closing.Abandon(*m.ledger, v1alpha1.SiteNotReadyReason, what, now) {
			no := givingUp(m.instead()+": "+what, now)
			return &no
		}
	}
	// Whoever gives a run up does not wait for its copies: the point of no return would ask
	// them, and users would be shut out until then.
	if m.stopped != nil && scene.Held() && !scene.Committed() && scene.Shut() {
		if no := m.stopped(m.view); no != nil && closing.Abandon(*m.ledger, no.Reason, no.Message, now) {
			wait := givingUp(m.instead()+": "+no.Message, now)
			return &wait
		}
	}
	if scene.Rival != nil && scene.Held() && scene.Committed() {
		no := failed(scene.Conflict(*scene.Rival))
		return &no
	}
	return nil
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
