// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// tend puts back what a go-live left standing when it let the site go, such as
// extra pods. End is the run's verdict, which stays what it is.
func (r *GoLiveReconciler) tend(
	ctx context.Context, g *v1alpha1.GoLive, session *production.Session, grip production.Grip, end pipeline.Verdict,
) (pipeline.Verdict, error) {
	if golive.Ledger(g) == &g.Status.Steps {
		return end, nil
	}
	if grip.Lost { // nothing of it is irreversible: it begins again
		g.SetHeld(nil)
		g.Status.Aftercare, grip = pipeline.Ledger(golive.Aftercare), production.Grip{Holder: grip.Holder}
	}
	view, err := r.observe(ctx, g, grip)
	if err != nil || view.Site == nil {
		return end, err
	}
	engine := r.Engine
	engine.Production = session
	v, err := pipeline.Run(ctx, engine, g, golive.Aftercare, view, &g.Status.Aftercare)
	switch {
	case err != nil || v.State == v1alpha1.StepPassed || v.State == v1alpha1.StepSkipped:
		return end, err
	case v.State == v1alpha1.StepFailed:
		return v, nil
	}
	end.Message += "; " + v.Message
	end.Until = v.Until
	return end, nil
}

// wayBack says whether a rollback holds the site.
func wayBack(grip production.Grip) bool { return strings.HasPrefix(grip.Holder, "Rollback/") }

// replacing says whether a rollback holds the site past the point of no return, so
// that it took it over as it was: closed. One that holds it as Reversible found
// the lease deleted, and lets it go again.
func replacing(grip production.Grip) bool {
	return wayBack(grip) && grip.Point == v1alpha1.PointCommitted
}

// tookOver says whether a rollback took the site over from a run that had it past the point of
// no return. From one that was not there yet nobody takes over: its lease was free, and it
// takes that back when the rollback has let go.
func tookOver(owner production.Owner, grip production.Grip) bool {
	return grip.Lost && replacing(grip) && committed(owner)
}

// replaced says whether a rollback has taken the site over from a run past the
// point of no return, now or since: such a run works on the site no more,
// whatever is retried. One that had let users in does not give way: its lease was
// taken from it. One that let the site go, or is about to, is at its own end.
func replaced(g *v1alpha1.GoLive, grip production.Grip) bool {
	switch took := tookOver(g, grip); {
	case !closing.PastCommit(g.Status.Steps):
		return false
	case g.Status.Opened == nil:
		return took || g.Status.Lease == nil
	case took:
		return closing.Wish(g.Status.Steps, "") != production.WishLetGo
	}
	return g.Status.Lease == nil && slices.ContainsFunc(closing.Working(g.Status.Steps), func(e v1alpha1.StepStatus) bool {
		return e.State == v1alpha1.StepFailed && e.Reason == v1alpha1.LeaseLostReason
	})
}

// letIn says whether a run has let users in.
func letIn(owner production.Owner) bool {
	switch run := owner.(type) {
	case *v1alpha1.GoLive:
		return run.Status.Opened != nil
	case *v1alpha1.Rollback:
		return run.Status.Opened != nil
	}
	return false
}

// successor names whom a run gave the site to, and says what is left to do: where users were in
// nobody else puts back what the run left.
func successor(g *v1alpha1.GoLive, grip production.Grip) string {
	if g.Status.Opened == nil {
		return grip.Holder
	}
	return grip.Holder + "; " + leftover
}

// leftover says who puts back what a run left that had let users in.
const leftover = "what this run left of the site is put back when it is deleted"

// goLiveOf gives the go-live that a plan ordered: the end of the plan's
// support is what its aftercare waits for.
func goLiveOf(_ context.Context, plan client.Object) []reconcile.Request {
	p, ok := plan.(*v1alpha1.UpgradePlan)
	if !ok || p.Status.GoLive == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: p.Namespace, Name: p.Status.GoLive}}}
}
