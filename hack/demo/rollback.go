// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/proof"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// rollback lets a user write something on the new version, so that going back has
// a price, lets the planner order the Rollback, and the owner, who must be another
// person, see that price and confirm it.
func (d *demo) rollback(ctx context.Context) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, patience, errors.New("the rollback took too long"))
	defer stop()
	rec, err := d.load()
	if err != nil {
		return err
	}
	plan := &v1alpha1.UpgradePlan{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: world.Site, Name: planName}, plan); err != nil {
		return fmt.Errorf("get UpgradePlan: %w", err)
	}
	if plan.Status.GoLive == "" {
		return errors.New("the plan has no go-live to go back from: run upgrade first")
	}
	owner, err := d.As(ctx, "owner", "lms-owners")
	if err != nil {
		return err
	}
	planner, err := d.As(ctx, "planner", "lms-planners")
	if err != nil {
		return err
	}
	if err := d.write(ctx, "student0001"); err != nil {
		return err
	}
	d.say("a student wrote a post on %s: going back costs at least that", after)
	began := time.Now()
	back := &v1alpha1.Rollback{Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: world.Site},
		To:      v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: plan.Status.GoLive}},
	}}
	back.Namespace, back.GenerateName = world.Site, "campus-back-"
	if err := planner.Create(ctx, back); err != nil {
		return fmt.Errorf("create Rollback as planner: %w", err)
	}
	d.say("planner asked for %s, to the state that %s saved", back.Name, plan.Status.GoLive)
	if back, err = d.followBack(ctx, owner, back); err != nil {
		return err
	}
	return d.verifyBack(ctx, rec, back, began)
}

// followBack prints the steps, and confirms the price when it is asked.
func (d *demo) followBack(
	ctx context.Context, owner *world.World, back *v1alpha1.Rollback,
) (*v1alpha1.Rollback, error) {
	seen, confirmed := ledger{}, false
	return world.Await(ctx, d.World, back, func(b *v1alpha1.Rollback) (string, error) {
		d.steps(seen, b.Status.Steps)
		for _, c := range b.Status.Conditions {
			isTrue := c.Status == metav1.ConditionTrue
			switch {
			case c.Type == v1alpha1.WaitingCondition && isTrue && b.Status.Price != nil && !confirmed:
				confirmed = true
				if err := d.pay(ctx, owner, b); err != nil {
					return "", err
				}
			case c.Type == v1alpha1.SucceededCondition && isTrue:
				return "", nil
			case c.Type == v1alpha1.SucceededCondition && c.Status == metav1.ConditionFalse,
				c.Type == v1alpha1.StalledCondition && isTrue:
				return "", fmt.Errorf("rollback %s: %s: %s", b.Name, c.Reason, c.Message)
			}
		}
		return "it runs", nil
	})
}

// pay lets the owner confirm the price that they were shown.
func (d *demo) pay(ctx context.Context, owner *world.World, b *v1alpha1.Rollback) error {
	price := b.Status.Price
	d.say("the price: %d rows written since are lost", price.Rows)
	for _, lost := range price.Lost {
		d.say("         | %s: %s", lost.Name, lost.Value)
	}
	approval := &v1alpha1.UpgradeApproval{Spec: v1alpha1.UpgradeApprovalSpec{
		RollbackRef: &v1alpha1.LocalRef{Name: b.Name}, Gate: v1alpha1.GateDataLoss, Digest: price.Digest,
		Decision: v1alpha1.DecisionApprove, Comment: "demo",
	}}
	approval.Namespace, approval.GenerateName = b.Namespace, b.Name+"-"
	if err := owner.Create(ctx, approval); err != nil {
		return fmt.Errorf("confirm as owner: %w", err)
	}
	d.say("         | %s accepts the price %.15s…", approval.Spec.Approver, price.Digest)
	return nil
}

// verifyBack compares the site with what it was before the upgrade.
func (d *demo) verifyBack(ctx context.Context, rec *record, back *v1alpha1.Rollback, began time.Time) error {
	now, err := d.data(ctx)
	if err != nil {
		return err
	}
	door, err := d.door(ctx, began)
	if err != nil {
		return err
	}
	c := &claims{demo: d}
	c.serves(now, before)
	c.claim("it has the data that it had", rec.Before.Differences(now), "%s", now)
	c.claim("users saw the new site, the holding page, the old site", door.Objections(after, before),
		"%d × page; shut out for %s", door.Count(proof.Page), door.Outage(after, before).Round(100*time.Millisecond))
	var none []string
	if len(back.Status.Replaced) == 0 {
		none = []string{"the Rollback names nothing that was kept"}
	}
	c.claim("the side that was left is kept", none, "%v", back.Status.Replaced)
	return c.verdict()
}
