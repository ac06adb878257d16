// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/status"
)

// What GoLive and Rollback have in common: they hold a site's lease, and they
// see a live site.

// writer gives the only way to write to production.
func (b Base) writer() production.Writer {
	leases := production.Leases{Client: b.Client, Live: b.Live, Clock: b.Clock}
	return production.Writer{Client: b.Client, Live: b.Live, Leases: leases}
}

// keep carries out what the ledger wishes of the lease, and renews it.
func (b Base) keep(
	ctx context.Context, owner production.Owner, ledger []v1alpha1.StepStatus, from string,
) (production.Grip, error) {
	wish := closing.Wish(ledger, from)
	if wish == production.WishNothing && b.Sights.lost(owner, b.Clock.Now()) {
		wish = production.WishWane
	}
	return b.writer().Leases.Keep(ctx, owner, wish, from)
}

// racing says that somebody wrote the lease meanwhile: look again.
func racing(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

// lost is for a run whose lease is not its own any more. Where nobody holds it,
// the run takes it back to end or go on; else it only looks, and tells by the live
// values what became of its changes.
func (b Base) lost(ctx context.Context, owner productionObject, grip production.Grip) (pipeline.Verdict, error) {
	soon := b.Clock.Now().Add(time.Second)
	grip, left, err := b.regain(ctx, owner, grip)
	switch {
	case racing(err):
		return pipeline.Wait(v1alpha1.LeaseLostReason, "somebody else takes the site's lease").By(soon), nil
	case err != nil:
		return pipeline.Verdict{}, err
	case grip.Held:
		return pipeline.Wait(v1alpha1.LeaseLostReason, "the site's lease was lost and is taken back").By(soon), nil
	}
	who := "is held by " + grip.Holder
	if grip.Holder == "" {
		why, err := b.waitsFor(ctx, owner, grip)
		if err != nil {
			return pipeline.Verdict{}, err
		}
		if who = "was taken over and let go since"; why != "" && !committed(owner) {
			who = "was lost, and is taken back when the site is free: " + why
		}
	}
	if left == 0 && grip.Holder != "" && !strings.HasPrefix(grip.Holder, watchdogOf(owner)) {
		if err := b.remove(ctx, owner, closing.Unwatch(owner)); err != nil {
			return pipeline.Verdict{}, err
		}
	}
	return pipeline.Fail(v1alpha1.LeaseLostReason, "the site's lease %s; %d of %d changes are not undone; %s",
		who, left, len(*owner.Journal()), next(owner, left)), nil
}

// next says what comes after a run that lost its lease.
func next(owner production.Owner, left int) string {
	if left > 0 && letIn(owner) && committed(owner) {
		return leftover
	}
	return "the plan must order a new attempt"
}

// standing counts what a run that lost its lease still has on the site. Once
// its watchdog is not at work any more, whatever has no note of the run was put
// back, whoever wrote there since.
func standing(owner production.Owner, observed []production.Observed, grip production.Grip) int {
	taken := grip.Fence > owner.Held().Fence
	undoing := strings.HasPrefix(grip.Holder, watchdogOf(owner))
	left := 0
	for i := range *owner.Journal() {
		c := &(*owner.Journal())[i]
		// Past the point of no return nobody but a successor gives anything back.
		still := production.StillOurs(*c, observed[i]) && committed(owner)
		back := production.Stand(*c, observed[i]) == production.StandsBefore
		if taken && !still && (back || !undoing) && !production.Holds(observed[i], production.Identity(owner), c.ID) {
			c.State, c.Foreign = v1alpha1.ChangeUndone, ""
		}
		if c.State != v1alpha1.ChangeUndone && c.Undo != v1alpha1.UndoNever {
			left++
		}
	}
	return left
}

// watchdogOf is how the lease is held while a run is undone by its watchdog.
func watchdogOf(owner production.Owner) string { return "Watchdog/" + production.Identity(owner) }

// regain takes the lease back where closing.AfterLoss says so, and counts what
// the run still has on the site.
func (b Base) regain(
	ctx context.Context, owner productionObject, grip production.Grip,
) (_ production.Grip, left int, _ error) {
	observed, err := production.ObserveAll(ctx, b.Live, owner.GetNamespace(), *owner.Journal())
	if err != nil {
		return grip, 0, err
	}
	left = standing(owner, observed, grip)
	loss, at := closing.AfterLoss(owner, grip, owner.GetSteps())
	if loss == closing.LossWait {
		return grip, left, nil
	}
	// Whoever has shut the site meanwhile lost its lease, too, and takes it again.
	if loss == closing.LossEnd && grip.Holder == "" {
		if run, _, err := b.shut(ctx, owner); err != nil || run != "" {
			return grip, left, err
		}
	}
	got, err := b.writer().Leases.Regain(ctx, owner, at)
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return grip, left, nil // no lease is made here any more, and no site is left
	}
	if err == nil && got.Held {
		closing.Regained(owner.GetSteps(), loss, b.Clock.Now())
	}
	return got, left, err
}

// productionObject is a GoLive or Rollback, for the settler.
type productionObject interface {
	production.Owner
	status.Object
}

func (b Base) awakeSettled(
	ctx context.Context, before, owner productionObject, v pipeline.Verdict,
) (ctrl.Result, error) {
	awaits(owner, v)
	result, err := b.Settler.Settle(ctx, before, owner, v, nil, b.Clock.Now())
	return b.awake(result, err, owner)
}
