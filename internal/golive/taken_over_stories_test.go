// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// wantBack ticks until a Rollback is over, and wants the old site to serve.
func (w *world) wantBack() {
	w.t.Helper()
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		w.t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// backFromGo makes a person's Rollback to the go-live.
func (w *world) backFromGo(name string) {
	w.t.Helper()
	w.must(w.admin.Create(w.ctx, &v1alpha1.Rollback{ObjectMeta: w.meta(name), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}}}))
}

// A person retries the go-live while its way back works: that must not touch
// the site, nor what the way back knows of it.
func TestARetryOfTheGoLiveDoesNotDisturbItsRollback(t *testing.T) {
	for _, step := range []string{"RestoreBeside", "Switch", "OpenDoors"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.outcomes["go-smoke"] = broken("CountsDiffer")
			w.versions("1.0")
			w.until("a rollback that works", func(*v1alpha1.GoLive) bool { return w.rollbacks() == 1 && at(step)(w.rollback()) })
			delete(w.outcomes, "go-smoke")
			smokes := len(w.jobs("go-smoke"))
			w.retry("Smoke@1")
			w.wantBack()
			if doors := w.rollback().Status.Source.Doors; doors != v1alpha1.DoorsStayedClosed {
				t.Errorf("the doors are noted as %s", doors)
			}
			if n := len(w.jobs("go-smoke")); n != smokes {
				t.Errorf("%d Jobs of the go-live, %d before the retry", n, smokes)
			}
			g := w.until("over", over)
			if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "CountsDiffer" {
				t.Errorf("the go-live ended as %s %s", c.Status, c.Reason)
			}
		})
	}
}
