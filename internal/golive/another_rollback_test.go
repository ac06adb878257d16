// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// A rollback that cannot go on past the point of no return is followed by one
// that asks for other files.
func TestARollbackThatFailedIsFollowedByAnother(t *testing.T) {
	for _, how := range []string{"failed", "deleted"} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.files()
			w.order(nil)
			w.outcomes["go-hop"] = broken("CountsDiffer")
			w.outcomes["go-back-verify"] = broken("FilesMissing")
			if how == "deleted" {
				w.outcomes["go-back-verify"] = pipeline.JobOutcome{State: pipeline.JobRunning}
			}
			w.outcomes["again-"] = finds(100)
			first := w.verifying()
			if how == "deleted" {
				w.must(w.admin.Delete(w.ctx, first))
			}
			for range 3 {
				w.tick()
			}
			first = w.rollback()
			c := meta.FindStatusCondition(first.Status.Conditions, v1alpha1.StalledCondition)
			if c == nil || !strings.Contains(c.Message, "another Rollback to the same state") || w.isOpen() {
				t.Fatalf("conditions %v, open: %v", first.Status.Conditions, w.isOpen())
			}
			again := w.follow(restoring)
			if p := again.Status.Price; p.Rows != 0 || again.Status.Source.Doors != v1alpha1.DoorsStayedClosed {
				t.Errorf("price %+v, doors %s", p, again.Status.Source.Doors)
			}
			w.wantServing("campus:1.0")
			w.wantReplaced()
			err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(first), first)
			switch {
			case how == "deleted" && !apierrors.IsNotFound(err):
				t.Errorf("the deleted one is still there: %v", err)
			case how == "failed" && (!meta.IsStatusConditionFalse(first.Status.Conditions, v1alpha1.SucceededCondition) || first.Status.Lease != nil):
				t.Errorf("the first one ended as %v, lease %v", first.Status.Conditions, first.Status.Lease)
			}
		})
	}
}

// follow makes another Rollback to the go-live, and ticks until it succeeded.
func (w *world) follow(change func(*v1alpha1.Rollback)) *v1alpha1.Rollback {
	w.t.Helper()
	again := &v1alpha1.Rollback{ObjectMeta: w.meta("again"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}}}
	change(again)
	w.must(w.admin.Create(w.ctx, again))
	for range 80 {
		w.tick()
		if w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(again), again)); ended(again) {
			break
		}
	}
	if !meta.IsStatusConditionTrue(again.Status.Conditions, v1alpha1.SucceededCondition) {
		for _, e := range again.Status.Steps {
			w.t.Logf("%s: %s %s: %s", e.Name, e.State, e.Reason, e.Message)
		}
		w.t.Fatalf("the second Rollback did not succeed: %v", again.Status.Conditions)
	}
	for range 5 {
		w.tick()
	}
	return again
}
