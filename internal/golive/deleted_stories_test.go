// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Users are in, and the run is deleted, with extra pods or without: it goes when its
// plan, which nobody reconciles here, has seen how it ended.
func TestADeletedGoLiveWaitsForItsPlan(t *testing.T) {
	for name, order := range map[string]func(*v1alpha1.GoLiveSpec){"plain": nil, "with extra pods": scaled(5)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.order(order)
			g := w.until("the doors that open", func(g *v1alpha1.GoLive) bool { return state(g, "OpenDoors") == v1alpha1.StepPassed })
			plan, now := &v1alpha1.UpgradePlan{ObjectMeta: w.meta("plan")}, metav1.Now()
			entry := v1alpha1.StepStatus{Name: v1alpha1.StepGoLive, State: v1alpha1.StepRunning, Attempt: 1, Started: &now,
				Children: []v1alpha1.ChildRef{{Kind: "GoLive", Namespace: w.namespace, Name: g.Name, UID: g.UID}}}
			tell := func() {
				w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(plan), plan))
				plan.Status.Steps = []v1alpha1.StepStatus{entry}
				w.must(w.admin.Status().Update(w.ctx, plan))
			}
			tell()
			w.must(w.admin.Delete(w.ctx, w.goLive))
			for range 20 {
				w.tick()
			}
			g = w.get()
			if c := succeeded(g); c.Status != metav1.ConditionTrue || g.Status.Lease != nil || len(v1alpha1.Standing(g.Status.Changes)) > 0 {
				t.Errorf("%s, lease %v, changes %v", c.Status, g.Status.Lease, g.Status.Changes)
			}
			if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ReadyCondition); c.Message != "over, and deleted: it goes when UpgradePlan plan has seen how it ended" {
				t.Error(c.Message)
			}
			entry.State, entry.Finished = v1alpha1.StepPassed, &now
			tell()
			w.clock.Step(15 * time.Second)
			for range 3 {
				w.tick()
			}
			if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(g), g); !apierrors.IsNotFound(err) {
				t.Errorf("the go-live: %v", err)
			}
		})
	}
}

// A Rollback has taken the page over, somebody merged labels beside it, and the lease is gone: the
// page stands as long as users are led to it, or would be when the value is back.
func TestADeletedGoLiveKeepsAPageThatWasMerged(t *testing.T) {
	w := newWorld(t)
	back := w.verifies()
	found := w.merges()
	w.must(w.admin.Delete(w.ctx, w.goLive))
	w.must(w.admin.Delete(w.ctx, w.lease()))
	w.skip = back.Name
	for range 5 {
		w.tick()
	}
	if said := ready(w.get()); !strings.Contains(said, "users still see its holding page") {
		t.Errorf("it says %q", said)
	}
	w.skip = ""
	w.must(w.admin.Update(w.ctx, found))
	delete(w.outcomes, "go-back-verify")
	back = w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	for range 5 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), &v1alpha1.GoLive{}); !apierrors.IsNotFound(err) {
		t.Errorf("the go-live: %v", err)
	}
}

func ready(g *v1alpha1.GoLive) string {
	if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.ReadyCondition); c != nil {
		return c.Message
	}
	return ""
}

// A run past the point of no return is gone for good, and its lease still says so: whoever deletes
// the go-live that has extra pods there is told how they go.
func TestADeletedGoLiveSaysWhatALostRunLeft(t *testing.T) {
	w := newWorld(t)
	w.order(scaled(5))
	w.until("over", over)
	w.support(v1alpha1.StepRunning)
	lease := w.lease()
	metav1.SetMetaDataAnnotation(&lease.ObjectMeta, v1alpha1.PointAnnotation, string(v1alpha1.PointCommitted))
	w.must(w.admin.Update(w.ctx, lease))
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 3 {
		w.tick()
	}
	said := ready(w.get())
	for _, part := range []string{"Only where there is none any more, and database and workloads are sound",
		"kubectl delete lease -n " + w.namespace + " gradus-campus"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is missing in: %s", part, said)
		}
	}
	w.must(w.admin.Delete(w.ctx, lease))
	for range 5 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); !apierrors.IsNotFound(err) {
		t.Errorf("the go-live: %v", err)
	}
	w.wantServing("campus:2.0")
}

// With the namespace the site goes, then the lease, rights in any order, and no run
// holds that up.
func TestARunGoesWithItsNamespace(t *testing.T) {
	for step, blind := range map[string]string{"AwaitSilence": "", "CloseDoors": "gradus-campus", "Commit": "", "OpenDoors": "", "Hops": "gradus-campus"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			w.until(step, func(g *v1alpha1.GoLive) bool { return state(g, step) == v1alpha1.StepPassed })
			w.must(w.admin.Delete(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}))
			w.must(w.admin.Delete(w.ctx, w.lease()))
			w.must(w.admin.Delete(w.ctx, w.goLive))
			w.blind = blind
			for range 3 {
				w.tick()
			}
			if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); !apierrors.IsNotFound(err) {
				t.Errorf("the go-live: %v, %+v", err, w.goLive.Status.Conditions)
			}
		})
	}
}
