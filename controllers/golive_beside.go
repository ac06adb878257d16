// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// What a run puts beside a site, its watchdog and its holding page, does not
// die with the run: a run that is lost while the site is closed leaves both. So
// every end of a run removes them.

// remove deletes children of a run, by UID.
func (b Base) remove(ctx context.Context, owner productionObject, children []v1alpha1.ChildRef) error {
	steps := []pipeline.Step[[]v1alpha1.ChildRef]{{
		Name:   "Remove",
		Remove: func(children []v1alpha1.ChildRef, _ pipeline.At) []v1alpha1.ChildRef { return children },
		Judge: func([]v1alpha1.ChildRef, pipeline.At, pipeline.Seen) pipeline.Verdict {
			return pipeline.Pass("gone")
		},
	}}
	ledger := pipeline.Ledger(steps)
	_, err := pipeline.Run(ctx, b.Engine, owner, steps, children, &ledger)
	return err
}

// leave ends a deleted run that does not hold the site. While users still see
// its holding page, because a rollback took the closed site over, it stays.
func (b Base) leave(
	ctx context.Context, before, owner productionObject, grip production.Grip,
) (ctrl.Result, error) {
	for _, c := range production.Open(*owner.Journal()) {
		if c.Field != v1alpha1.FieldSelector {
			continue
		}
		now, err := production.Observe(ctx, b.Live, owner.GetNamespace(), c)
		if err != nil {
			return ctrl.Result{}, err
		}
		if production.Stand(c, now) == production.StandsAfter {
			return b.awakeSettled(ctx, before, owner, pipeline.Await("HoldingPageInUse", "deleted, and users still see its "+
				"holding page while the site is held by %q: it goes when Service %s leads elsewhere", grip.Holder, c.Target.Name).
				By(b.Clock.Now().Add(production.DefaultRenew)))
		}
	}
	if err := b.remove(ctx, owner, closing.Beside(owner)); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, dropFinalizer(ctx, b.Client, owner)
}
