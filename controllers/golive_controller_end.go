// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// letGo ends an object that is deleted, and says in its conditions what hinders that.
func (b Base) letGo(ctx context.Context, owner productionObject, err error) (ctrl.Result, error) {
	if !slices.Contains(owner.GetFinalizers(), v1alpha1.CleanupFinalizer) {
		return ctrl.Result{}, nil
	}
	before := owner.DeepCopyObject().(productionObject)
	var result ctrl.Result
	if err == nil {
		result, err = b.end(ctx, before, owner)
	}
	switch {
	case err == nil:
		return result, nil
	case racing(err):
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	told := before.DeepCopyObject().(productionObject)
	awaits(told, pipeline.Verdict{})
	return b.Settler.Settle(ctx, before, told, pipeline.Verdict{}, err, b.Clock.Now())
}

// end puts the site back while nothing irreversible happened; otherwise a person decides.
func (b Base) end(ctx context.Context, before, owner productionObject) (ctrl.Result, error) {
	ending, err := b.namespaceEnds(ctx, owner.GetNamespace())
	if err != nil {
		return ctrl.Result{}, err
	}
	if ending {
		return ctrl.Result{}, dropFinalizer(ctx, b.Client, owner)
	}
	// A run that is over holds nothing: it goes even where our rights are gone.
	open := production.Open(*owner.Journal())
	nothing := owner.Held() == nil &&
		!slices.ContainsFunc(open, func(c v1alpha1.Change) bool { return c.Undo != v1alpha1.UndoNever })
	if nothing && pipeline.Over(owner.GetSteps()) {
		return b.depart(ctx, before, owner)
	}
	grip, err := b.grasp(ctx, owner, nothing)
	switch {
	case nothing && apierrors.IsForbidden(err):
		return ctrl.Result{}, dropFinalizer(ctx, b.Client, owner)
	case err != nil:
		return ctrl.Result{}, err
	case needed(owner, grip, nothing), waitsForFree(owner, grip), leftOpen(owner, grip):
		return b.stay(ctx, before, owner, grip)
	case !grip.Held:
		return b.leave(ctx, before, owner, grip)
	case grip.Point == v1alpha1.PointCommitted:
		return b.halfway(ctx, before, owner, grip)
	}
	return b.putBack(ctx, before, owner)
}

// halfway keeps a run that is deleted past the point of no return until another one takes the site
// over from it.
func (b Base) halfway(
	ctx context.Context, before, owner productionObject, grip production.Grip,
) (ctrl.Result, error) {
	if err := b.bypass(ctx, owner, grip); err != nil {
		return ctrl.Result{}, err
	}
	return b.awakeSettled(ctx, before, owner, pipeline.Fail("DeletionWaits", "deleted past the point of no return: "+
		"the site may be closed and half-upgraded; %s, or finish by hand and remove the "+
		"finalizer, then Lease %s (verb breaklock on sites.lms.gradus.dev)", another(owner), owner.Held().Name))
}

// ends says whether a run is deleted, and does not go on all the same.
func (b Base) ends(ctx context.Context, owner productionObject) (bool, error) {
	if owner.GetDeletionTimestamp().IsZero() {
		return false, nil
	}
	goesOn, err := b.finishes(ctx, owner)
	return !goesOn, err
}

// finishes says whether a run goes on although it is deleted: users are in, or
// nobody but this run can let them in, and what it holds would be held for ever.
// One whose lease is lost for good does not: it would only look on.
func (b Base) finishes(ctx context.Context, owner productionObject) (bool, error) {
	// The lease of a run's extra pods is Reversible: those are put back.
	if !committed(owner) || !slices.Contains(owner.GetFinalizers(), v1alpha1.CleanupFinalizer) {
		return false, nil
	}
	back, ok := owner.(*v1alpha1.Rollback)
	if switched := ok && rollback.Switched(back); !switched && !closing.Opening(owner.GetSteps()) {
		return false, nil
	}
	grip, err := b.writer().Leases.Look(ctx, owner)
	switch {
	case apierrors.IsForbidden(err): // who ends asks for the namespace, and says so
		return false, nil
	case err != nil:
		return false, err
	case !grip.Lost:
		return true, nil
	}
	if loss, _ := closing.AfterLoss(owner, grip, owner.GetSteps()); loss == closing.LossWait {
		return false, nil
	}
	ending, err := b.namespaceEnds(ctx, owner.GetNamespace()) // no lease is made there any more
	return !ending, err
}

// needed says whether somebody else works with the journal of a run that is
// deleted: its watchdog undoes by it, and its way back may need it once more
// after a crash, while users see its page.
func needed(owner productionObject, grip production.Grip, nothing bool) bool {
	back, ok := owner.(*v1alpha1.Rollback)
	past := closing.PastCommit(owner.GetSteps()) || committed(owner) || ok && rollback.Took(back)
	return strings.HasPrefix(grip.Holder, watchdogOf(owner)) || !nothing && past && wayBack(grip)
}

// stay keeps a deleted run as long as it is needed, and says by whom.
func (b Base) stay(
	ctx context.Context, before, owner productionObject, grip production.Grip,
) (ctrl.Result, error) {
	if tookOver(owner, grip) {
		owner.SetHeld(nil) // for good: nobody else may take the site over from it once more
	}
	if grip.Holder == "" {
		why, err := b.waitsFor(ctx, owner, grip)
		if err != nil {
			return ctrl.Result{}, err
		}
		if why == "" { // opened since
			return ctrl.Result{RequeueAfter: time.Second}, nil
		}
		return b.awakeSettled(ctx, before, owner, pipeline.Wait(v1alpha1.SiteBusyReason,
			"deleted, and what stands is put back when the site is free; %s", why).
			By(b.Clock.Now().Add(production.DefaultRenew)))
	}
	return b.awakeSettled(ctx, before, owner, pipeline.Wait("NeededByAnother", "deleted, and needed by %s, which holds "+
		"the site: it goes when that is done", grip.Holder).By(b.Clock.Now().Add(production.DefaultRenew)))
}

// waitsFor says why a run leaves a free lease alone: another one has shut the site, or was past
// its point of no return; "" when neither is so.
func (b Base) waitsFor(ctx context.Context, owner productionObject, grip production.Grip) (string, error) {
	switch run, command, err := b.shut(ctx, owner); {
	case err != nil:
		return "", err
	case run != "": // and then the lease, if it says Committed
		return closing.LeftShut(owner.SiteName(), run, command), nil
	case grip.Point == v1alpha1.PointCommitted:
		return closing.LeftCommitted(owner.GetNamespace(), owner.SiteName()), nil
	}
	return "", nil
}

// another says which Rollback takes the site over from an object that is deleted.
func another(owner productionObject) string {
	switch o := owner.(type) {
	case *v1alpha1.GoLive:
		return "create a Rollback to this GoLive"
	case *v1alpha1.Rollback:
		if rollback.GivesWay(o) {
			return "create another Rollback to the same state"
		}
	}
	return "a person retries the step that failed (annotation " + v1alpha1.RetryAnnotation + ")"
}

// grasp holds the lease of an object that is deleted for as long as that needs it.
func (b Base) grasp(ctx context.Context, owner productionObject, nothing bool) (production.Grip, error) {
	leases := b.writer().Leases
	grip, err := leases.Keep(ctx, owner, production.WishNothing, "")
	if err != nil {
		return grip, err
	}
	if leftOpen(owner, grip) && grip.Holder == "" { // it is not held on as before: what was left is put back, and no more
		owner.SetHeld(nil)
		grip.Lost = false
	}
	switch {
	case grip.Lost && !nothing: // it was deleted under us, or we crashed while it was taken back
		grip, _, err = b.regain(ctx, owner, grip)
	case waitsForFree(owner, grip): // it goes with its extra pods
		if why, err := b.waitsFor(ctx, owner, grip); err != nil || why != "" {
			return grip, err
		}
		grip, err = leases.Keep(ctx, owner, production.WishHold, "")
	}
	return grip, err
}

// waitsForFree says that a run which let the site go has something to put back there, and that
// nobody holds it; or that lost it before the point of no return. One whose holding page a
// Rollback took over has let nothing go.
func waitsForFree(owner productionObject, grip production.Grip) bool {
	if grip.Lost && committed(owner) {
		return false
	}
	return !grip.Held && grip.Holder == "" && !pageUp(owner) &&
		(len(v1alpha1.Standing(*owner.Journal())) > 0 || leftOpen(owner, grip))
}

// leftOpen says whether a run that had let users in lost its site for good before it had put
// everything back: it waits until that is free, whoever has it.
func leftOpen(owner productionObject, grip production.Grip) bool {
	return letIn(owner) && !grip.Held && (owner.Held() == nil || grip.Lost) &&
		slices.ContainsFunc(production.Open(*owner.Journal()), func(c v1alpha1.Change) bool {
			return c.Undo == v1alpha1.UndoUntilCommit
		})
}

// pageUp says whether the journal has users led to the run's holding page.
func pageUp(owner productionObject) bool { return len(pages(owner)) > 0 }

// pages gives the changes by which a run leads users to its holding page.
func pages(owner productionObject) []v1alpha1.Change {
	return slices.DeleteFunc(production.Open(*owner.Journal()), func(c v1alpha1.Change) bool {
		return c.Field != v1alpha1.FieldSelector
	})
}

// shut names another run whose holding page users see, and whose lease somebody took away, with
// the command that opens the site; "" where there is none.
func (b Base) shut(ctx context.Context, owner productionObject) (run, command string, _ error) {
	site, err := getSite(ctx, b.Live, owner.GetNamespace(), owner.SiteName())
	if err != nil || site == nil {
		return "", "", err
	}
	door, err := optional(ctx, b.Live, owner.GetNamespace(), site.Spec.Traffic.ServiceRef.Name, &corev1.Service{})
	if err != nil {
		return "", "", err
	}
	run, command = production.ShutBy(owner, door)
	return run, command, nil
}

// putBack puts the site back for an object that is deleted, and lets both go.
func (b Base) putBack(ctx context.Context, before, owner productionObject) (ctrl.Result, error) {
	session := b.writer().Begin(owner)
	done, err := session.Undoer().Undo(ctx, owner.GetNamespace(), *owner.Journal())
	if err == nil && done {
		stays := slices.DeleteFunc(production.Open(*owner.Journal()), func(c v1alpha1.Change) bool {
			return c.Undo != v1alpha1.UndoNever
		})
		done, _, err = session.Ensure(ctx, owner, "", production.Keep(stays)) // without our notes
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if c := production.Refused(*owner.Journal()); !done && c != nil {
		return b.awakeSettled(ctx, before, owner, failed(closing.Refusal(owner.GetNamespace(), *c)))
	}
	if !done {
		soon := b.Clock.Now().Add(time.Second)
		return b.awakeSettled(ctx, before, owner, pipeline.Wait("Undoing", "the site is put back as it was").By(soon))
	}
	if err := b.remove(ctx, owner, closing.Beside(owner)); err != nil {
		return ctrl.Result{}, err
	}
	if _, err := b.writer().Leases.Keep(ctx, owner, production.WishLetGo, ""); err != nil {
		return ctrl.Result{}, err
	}
	return b.depart(ctx, before, owner)
}
