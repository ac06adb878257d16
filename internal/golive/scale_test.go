// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func scaled(n int32) func(*v1alpha1.GoLiveSpec) {
	return func(s *v1alpha1.GoLiveSpec) {
		s.Scale = []v1alpha1.WorkloadScale{{Workload: "web", Replicas: n}}
	}
}

// support says in the plan's status how its step Support stands.
func (w *world) support(state v1alpha1.StepState) {
	w.t.Helper()
	plan := &v1alpha1.UpgradePlan{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "plan"}, plan))
	plan.Status.Steps = []v1alpha1.StepStatus{{Name: v1alpha1.StepSupport, State: state, Attempt: 1}}
	w.must(w.admin.Status().Update(w.ctx, plan))
}

func extras(g *v1alpha1.GoLive) int { return len(v1alpha1.Standing(g.Status.Changes)) }

func TestMorePodsUntilSupportEndsAndExactlyBack(t *testing.T) {
	w := newWorld(t)
	w.order(scaled(5))
	first := int32(0)
	w.at = func() {
		if w.isOpen() && *w.deployment("web").Spec.Replicas != 2 && first == 0 {
			first = *w.deployment("web").Spec.Replicas
		}
	}
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionTrue || first != 5 {
		t.Fatalf("Succeeded is %s: %s; users first met %d pods", c.Reason, c.Message, first)
	}
	w.support(v1alpha1.StepRunning)
	writes := w.writes
	for range 4 {
		w.tick()
	}
	if n := *w.deployment("web").Spec.Replicas; n != 5 || w.get().Status.Lease != nil {
		t.Fatalf("%d pods in support, lease %v", n, w.get().Status.Lease)
	}
	if w.writes > writes+1 { // the ledger of aftercare, once
		t.Errorf("%d writes while support lasts", w.writes-writes)
	}
	if c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.ReadyCondition); !strings.Contains(c.Message, "(before: 2)") {
		t.Errorf("nobody is told what stands: %s", c.Message)
	}
	w.support(v1alpha1.StepPassed)
	w.until("scaled back", func(g *v1alpha1.GoLive) bool { return extras(g) == 0 && g.Status.Lease == nil })
	w.wantServing("campus:2.0")
	if !over(w.get()) {
		t.Errorf("conditions %v", w.get().Status.Conditions)
	}
}

func TestAnAutoscalersFloorIsRaisedInstead(t *testing.T) {
	w := newWorld(t)
	hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: w.meta("web"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		MinReplicas:    ptr.To[int32](2), MaxReplicas: 8}}
	w.must(w.admin.Create(w.ctx, hpa))
	w.order(scaled(5))
	g := w.until("over", over)
	for _, e := range g.Status.Steps {
		if e.Name == "ScaleUp" && (!strings.Contains(e.Message, "once the site is unlocked") ||
			e.Finished.Sub(e.Started.Time) > time.Minute) {
			t.Errorf("users waited for the autoscaler, which could do nothing: %s", e.Message)
		}
	}
	w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(hpa), hpa))
	if *hpa.Spec.MinReplicas != 5 || *w.deployment("web").Spec.Replicas != 2 {
		t.Fatalf("floor %d, replicas %d", *hpa.Spec.MinReplicas, *w.deployment("web").Spec.Replicas)
	}
	w.support(v1alpha1.StepPassed)
	w.until("scaled back", func(g *v1alpha1.GoLive) bool { return extras(g) == 0 && g.Status.Lease == nil })
	w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(hpa), hpa))
	if *hpa.Spec.MinReplicas != 2 {
		t.Errorf("floor %d", *hpa.Spec.MinReplicas)
	}
}

// Background work stands still until the doors are open: it is scaled after
// it has the pods that it had.
func TestBackgroundWorkIsScaledWhenItRunsAgain(t *testing.T) {
	w := newWorld(t)
	w.order(func(s *v1alpha1.GoLiveSpec) {
		s.Scale = []v1alpha1.WorkloadScale{{Workload: "cron", Replicas: 3}}
	})
	w.at = func() {
		if n := *w.deployment("cron").Spec.Replicas; !w.isOpen() && w.get().Status.Closed != nil && n > 1 {
			t.Fatalf("%d pods of background work behind closed doors", n)
		}
	}
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionTrue || *w.deployment("cron").Spec.Replicas != 3 {
		t.Fatalf("Succeeded is %s: %s; %d pods", c.Reason, c.Message, *w.deployment("cron").Spec.Replicas)
	}
	w.support(v1alpha1.StepPassed)
	w.until("scaled back", func(g *v1alpha1.GoLive) bool { return extras(g) == 0 && g.Status.Lease == nil })
	if n := *w.deployment("cron").Spec.Replicas; n != 1 {
		t.Errorf("%d pods of background work after support", n)
	}
}

func TestANumberThatAPersonWroteSinceStays(t *testing.T) {
	w := newWorld(t)
	w.order(scaled(5))
	w.until("over", over)
	d := w.deployment("web")
	d.Spec.Replicas = ptr.To[int32](9)
	w.must(w.admin.Update(w.ctx, d))
	w.support(v1alpha1.StepPassed)
	g := w.until("settled", func(g *v1alpha1.GoLive) bool {
		return len(g.Status.Aftercare) > 0 && pipeline.Over(g.Status.Aftercare) && g.Status.Lease == nil
	})
	if n := *w.deployment("web").Spec.Replicas; n != 9 {
		t.Errorf("%d pods", n)
	}
	if e := g.Status.Aftercare[2]; !strings.Contains(e.Message, "left as") {
		t.Errorf("%s: %s", e.Name, e.Message)
	}
}

func TestWhatCannotBeScaledIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	w := newWorld(t)
	w.must(w.admin.Create(w.ctx, &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: w.meta("web"), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 3}}))
	w.order(scaled(5))
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "maxReplicas 3") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if len(g.Status.Changes) != 0 {
		t.Errorf("changes %v", g.Status.Changes)
	}
}

func TestARollbackTakesTheExtraPodsAway(t *testing.T) {
	w := newWorld(t)
	w.order(scaled(5))
	w.until("over", over)
	w.versions("1.0")
	back := &v1alpha1.Rollback{ObjectMeta: w.meta("back"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}},
		MaxDataLoss: v1alpha1.DataLoss{Rows: 1000}}}
	back.Annotations = map[string]string{v1alpha1.AuthorsAnnotation: "tom"}
	w.must(w.admin.Create(w.ctx, back))
	w.backUntil("over", ended)
	if c := meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	if n := *w.deployment("web").Spec.Replicas; n != 2 {
		t.Errorf("%d pods after the way back", n)
	}
	w.support(v1alpha1.StepPassed)
	w.until("settled", func(g *v1alpha1.GoLive) bool { return extras(g) == 0 && g.Status.Lease == nil })
	w.wantServing("campus:1.0")
}

// What a go-live gave more waits while another run has shut the site, also when that one's lease
// is emptied under it.
func TestExtraPodsWaitForARollbackWhoseLeaseIsGone(t *testing.T) {
	for how, ends := range map[string]func(w *world){
		"support ends": func(w *world) { w.support(v1alpha1.StepPassed) },
		"deleted":      func(w *world) { w.must(w.admin.Delete(w.ctx, w.goLive)) },
	} {
		t.Run(how, func(t *testing.T) {
			w := newWorld(t)
			w.order(scaled(5))
			w.until("over", over)
			w.support(v1alpha1.StepRunning)
			w.versions("1.0")
			w.backFromGoAt("back", 1000)
			w.outcomes["back-switch"] = pipeline.JobOutcome{State: pipeline.JobRunning}
			w.backUntil("switches", at("Switch"))
			ends(w)
			for range 5 {
				w.tick()
			}
			w.empties()
			w.skip = "back"
			for range 10 {
				if w.tick(); w.holder() != "" {
					t.Fatalf("held by %s", w.holder())
				}
			}
			if said := ready(w.get()); how == "deleted" && !strings.Contains(said, "see the holding page of Rollback/back/") {
				t.Errorf("it says %q", said)
			}
			w.skip = ""
			delete(w.outcomes, "back-switch")
			back := w.backUntil("over", ended)
			if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
				t.Fatalf("%s: %s", c.Reason, c.Message)
			}
			for range 20 {
				w.tick()
			}
			w.wantServing("campus:1.0")
			if w.holder() != "" {
				t.Errorf("held by %s", w.holder())
			}
		})
	}
}

// One that failed with the doors closed has its own page there, which its Rollback took over.
func TestADeletedGoLiveOpensNothingThatItsRollbackTookOver(t *testing.T) {
	w := newWorld(t)
	w.order(scaled(5))
	w.outcomes["go-smoke"] = broken("CountsDiffer")
	w.versions("1.0")
	w.outcomes["go-back-verify"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("a rollback that verifies", func(g *v1alpha1.GoLive) bool {
		return w.rollbacks() == 1 && at("VerifyBeside")(w.rollback()) && g.Status.Lease == nil
	})
	w.must(w.admin.Delete(w.ctx, w.goLive))
	w.empties()
	w.skip = w.rollback().Name
	for range 10 {
		if w.tick(); w.holder() != "" || w.isOpen() {
			t.Fatalf("held by %q, open: %v", w.holder(), w.isOpen())
		}
	}
	w.skip = ""
	delete(w.outcomes, "go-back-verify")
	w.wantBack()
}

func TestAGoLiveThatIsDeletedTakesItsExtraPodsAlong(t *testing.T) {
	w := newWorld(t)
	w.order(scaled(5))
	w.until("over", over)
	w.support(v1alpha1.StepRunning)
	w.deny = "web" // not at once: until then it has the lease, and waits for no end of support
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 5 {
		w.tick()
	}
	if w.get().Status.Lease == nil {
		t.Fatal("nothing was refused")
	}
	w.deny = ""
	for i := 0; client.IgnoreNotFound(w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), &v1alpha1.GoLive{})) != nil ||
		w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), &v1alpha1.GoLive{}) == nil; i++ {
		if w.tick(); i > 20 {
			t.Fatal("it does not go")
		}
	}
	w.deployments()
	w.wantServing("campus:2.0")
}
