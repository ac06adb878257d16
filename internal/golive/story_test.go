// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

func broken(reason string) pipeline.JobOutcome {
	return pipeline.JobOutcome{State: pipeline.JobFailed, Result: task.Result{Reason: reason, Message: reason}}
}

func (w *world) deployment(name string) *appsv1.Deployment {
	w.t.Helper()
	d := &appsv1.Deployment{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, d))
	return d
}

func (w *world) door() map[string]string {
	w.t.Helper()
	s := &corev1.Service{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "web"}, s))
	return s.Spec.Selector
}

func (w *world) isOpen() bool { return w.door()["app"] == "web" && len(w.door()) == 1 }

// wantServing: open, with as many pods as before, this image, and nothing of
// ours on it or beside it.
func (w *world) wantServing(image string) {
	w.t.Helper()
	if !w.isOpen() {
		w.t.Errorf("the door is %v", w.door())
	}
	objects := []client.Object{}
	for name, replicas := range map[string]int32{"web": 2, "cron": 1} {
		d := w.deployment(name)
		if *d.Spec.Replicas != replicas || d.Spec.Template.Spec.Containers[0].Image != image {
			w.t.Errorf("%s has %d replicas of %s", name, *d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image)
		}
		objects = append(objects, d)
	}
	ns := &corev1.Namespace{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Name: w.namespace}, ns))
	if ns.Labels[v1alpha1.LockedByLabel] != "" {
		w.t.Error("the namespace is still locked")
	}
	for _, o := range append(objects, ns) {
		if _, held := o.GetAnnotations()[v1alpha1.HeldAnnotation]; held {
			w.t.Errorf("%s still has our note", o.GetName())
		}
	}
	var left appsv1.DeploymentList
	w.must(w.admin.List(w.ctx, &left, client.InNamespace(w.namespace)))
	if len(left.Items) != 2 {
		w.t.Errorf("%d Deployments, want the site's 2", len(left.Items))
	}
	lease := &coordinationv1.Lease{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "gradus-campus"}, lease))
	if *lease.Spec.HolderIdentity != "" {
		w.t.Errorf("the lease is held by %s", *lease.Spec.HolderIdentity)
	}
}

func TestASiteGoesLive(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	closedAtHop := false
	w.at = func() {
		if g := w.get(); state(g, "Hops") == v1alpha1.StepRunning || state(g, "Verify") == v1alpha1.StepRunning {
			closedAtHop = closedAtHop || !w.isOpen()
		}
	}
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionTrue {
		t.Fatalf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
	s := g.Status
	if s.Closed == nil || s.Opened == nil || !s.Closed.Before(s.Opened) || s.Version != "2.0" || s.Lease != nil || s.FixPoint == "" {
		t.Errorf("closed %v, opened %v, version %q, lease %v, fix point %q", s.Closed, s.Opened, s.Version, s.Lease, s.FixPoint)
	}
	if len(s.Parts) < 8 || s.Parts[0].Name != "CloseDoors" || len(s.Hops) != 1 || s.Hops[0].Verdict != "Passed" {
		t.Errorf("parts %v, hops %v", s.Parts, s.Hops)
	}
	for _, e := range s.Steps {
		if e.State != v1alpha1.StepPassed && e.State != v1alpha1.StepSkipped {
			t.Errorf("%s is %s", e.Name, e.State)
		}
	}
	w.wantTasks()
}

// Every product's tasks fit together into the Jobs of a go-live.
func TestEveryProfileGivesJobs(t *testing.T) {
	for _, product := range profile.Names() {
		if product == "generic" {
			continue // it says itself what it cannot do
		}
		t.Run(product, func(t *testing.T) {
			w := newWorldOf(t, product)
			w.order(nil)
			w.until("over", over)
			w.wantTasks()
		})
	}
}

// wantTasks: what every Job was given to do is valid and not empty. A builder
// that fails leaves an empty task for the agent to refuse.
func (w *world) wantTasks() {
	w.t.Helper()
	var jobs batchv1.JobList
	w.must(w.admin.List(w.ctx, &jobs, client.InNamespace(w.namespace)))
	for _, job := range jobs.Items {
		var given task.Task
		for _, c := range job.Spec.Template.Spec.InitContainers {
			for _, env := range c.Env {
				if env.Name == task.EnvTask {
					w.must(json.Unmarshal([]byte(env.Value), &given))
				}
			}
		}
		if err := given.Validate(); err != nil || len(given.Actions) == 0 {
			w.t.Errorf("Job %s: %d actions, %v", job.Name, len(given.Actions), err)
		}
	}
}

// Killed before and after every write, the next incarnation comes to the same end.
func TestAGoLiveSurvivesACrashAtEveryWrite(t *testing.T) {
	clean := newWorld(t)
	clean.order(nil)
	clean.until("over", over)
	t.Logf("%d writes", clean.writes)
	step := 7 // a sample; GRADUS_EVERY_CRASH=1 runs all
	if os.Getenv("GRADUS_EVERY_CRASH") != "" {
		step = 1
	}
	for n := 0; n < clean.writes; n += step {
		for _, after := range []bool{true, false} {
			t.Run(fmt.Sprintf("write %d, after=%v", n, after), func(t *testing.T) {
				w := newWorld(t)
				w.crash, w.after = n, after
				w.order(nil)
				w.at = w.oracle
				if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
					t.Fatalf("Succeeded is %s: %s", c.Reason, c.Message)
				}
				w.wantServing("campus:2.0")
				var jobs batchv1.JobList
				w.must(w.admin.List(w.ctx, &jobs, client.InNamespace(w.namespace)))
				hops := 0
				for _, job := range jobs.Items {
					if strings.Contains(job.Name, "-hop-") {
						hops++
					}
				}
				if hops != 1 {
					t.Errorf("%d Jobs upgraded", hops)
				}
			})
		}
	}
}

// oracle: nothing differs from how it was found unless the journal says so,
// and no hop exists before the point of no return.
func (w *world) oracle() {
	w.t.Helper()
	g := w.get()
	known := map[string]bool{}
	for _, c := range g.Status.Changes {
		known[c.Target.Name+"/"+string(c.Field)] = true
	}
	if !w.isOpen() && !known["web/Selector"] {
		w.t.Fatal("the door was moved and the journal does not know it")
	}
	for name, replicas := range map[string]int32{"web": 2, "cron": 1} {
		if *w.deployment(name).Spec.Replicas != replicas && !known[name+"/Replicas"] {
			w.t.Fatalf("%s was scaled and the journal does not know it", name)
		}
	}
}

func TestAFailureBeforeThePointOfNoReturnOpensTheSiteAsItWas(t *testing.T) {
	for _, job := range []string{"-door-", "-awaitsilence-", "-confirmsilence-"} {
		t.Run(job, func(t *testing.T) {
			w := newWorld(t)
			w.outcomes[job] = broken("SessionsLeft")
			w.order(nil)
			g := w.until("over", over)
			if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "SessionsLeft" {
				t.Fatalf("Succeeded is %s %s", c.Status, c.Reason)
			}
			w.wantServing("campus:1.0")
			// Over is over: a retry of a step does nothing.
			g.Annotations = map[string]string{v1alpha1.RetryAnnotation: "AwaitSilence@1"}
			w.must(w.admin.Update(w.ctx, g))
			w.outcomes = map[string]pipeline.JobOutcome{}
			for range 5 {
				w.tick()
			}
			w.wantServing("campus:1.0")
		})
	}
}

func TestASiteDoesNotStayClosedBecauseRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.refuse = "-door-"
	w.order(nil)
	g := w.until("over", over)
	if c := succeeded(g); c.Reason != "CannotProceed" || !strings.Contains(c.Message, "quota") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

func TestDeletingTheSiteObjectOpensTheSite(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, &v1alpha1.Site{ObjectMeta: w.meta("campus")}))
	w.until("over", over)
	w.wantServing("campus:1.0")
}

func TestNothingIsTouchedWithoutWhatWasApproved(t *testing.T) {
	tests := map[string]struct {
		spec   func(*v1alpha1.GoLiveSpec)
		world  func(*world)
		reason string
	}{
		"another subject": {func(s *v1alpha1.GoLiveSpec) { s.Digest = "sha256:" + strings.Repeat("0", 64) }, nil, "SubjectChanged"},
		"a withdrawn approval": {nil, func(w *world) {
			w.must(w.admin.Delete(w.ctx, &v1alpha1.UpgradeApproval{ObjectMeta: w.meta("yes")}))
		}, "NotApproved"},
		"a window that closed": {func(s *v1alpha1.GoLiveSpec) { s.Closes = &metav1.Time{Time: time.Now().Add(-time.Hour)} }, nil, "WindowClosed"},
		"an old backup":        {nil, func(w *world) { w.clock.Step(25 * time.Hour) }, "BackupTooOld"},
		"no workload": {nil, func(w *world) {
			w.must(w.admin.Delete(w.ctx, &appsv1.Deployment{ObjectMeta: w.meta("cron")}))
		}, "SiteNotReady"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.order(test.spec)
			if test.world != nil {
				test.world(w)
			}
			g := w.until("over", over)
			if c := succeeded(g); c.Reason != test.reason {
				t.Errorf("reason is %s: %s", c.Reason, c.Message)
			}
			if !w.isOpen() || len(g.Status.Changes) != 0 {
				t.Error("production was touched")
			}
		})
	}
}

func TestARivalBeforeThePointOfNoReturnEndsIt(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	cron := w.deployment("cron")
	cron.Spec.Replicas = ptr.To(int32(4))
	w.must(w.admin.Update(w.ctx, cron, client.FieldOwner("argocd-controller")))
	g := w.until("over", over)
	if c := succeeded(g); c.Reason != v1alpha1.ConflictingWriterReason || !strings.Contains(c.Message, "argocd-controller") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if !w.isOpen() || *w.deployment("web").Spec.Replicas != 2 || *w.deployment("cron").Spec.Replicas != 4 {
		t.Error("not put back, but for what the rival wrote")
	}
}

func TestHoldStaysClosedUntilAPersonRetries(t *testing.T) {
	w := newWorld(t)
	w.order(func(s *v1alpha1.GoLiveSpec) { s.OnFailure = v1alpha1.OnFailureHold })
	w.outcomes["-hop-"] = broken("PluginBroken")
	stalled := func(g *v1alpha1.GoLive) bool {
		return meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
	}
	w.until("stalled", stalled)
	for range 5 {
		w.tick()
	}
	g := w.get()
	if w.isOpen() || g.Status.Lease == nil || g.Status.Lease.Point != v1alpha1.PointCommitted || succeeded(g) != nil {
		t.Fatalf("not held closed: %v", g.Status.Lease)
	}
	w.outcomes = map[string]pipeline.JobOutcome{}
	g.Annotations = map[string]string{v1alpha1.RetryAnnotation: "Hops@1"}
	w.must(w.admin.Update(w.ctx, g))
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

func TestAFailurePastThePointOfNoReturnGoesBack(t *testing.T) {
	for _, job := range []string{"-hop-", "-verify-", "-smoke-"} {
		t.Run(job, func(t *testing.T) {
			w := newWorld(t)
			w.order(nil)
			once := job
			w.outcomes["go"+once] = broken("CountsDiffer")
			w.at = func() {
				var backs v1alpha1.RollbackList
				w.must(w.admin.List(w.ctx, &backs, client.InNamespace(w.namespace)))
				if len(backs.Items) > 0 {
					delete(w.outcomes, "go"+once)
				}
				if len(backs.Items) > 0 && backs.Items[0].Status.Opened == nil && w.isOpen() && backs.Items[0].Status.Lease != nil &&
					state(w.get(), "Hops") == v1alpha1.StepFailed && len(backs.Items[0].Status.Steps) == 0 {
					t.Error("opened before the rollback was done")
				}
			}
			w.versions("1.0")
			g := w.until("over", over)
			if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "CountsDiffer" {
				t.Fatalf("Succeeded is %s %s: %s", c.Status, c.Reason, c.Message)
			}
			w.wantServing("campus:1.0")
			back := w.rollback()
			if len(back.Status.Replaced) != 1 || back.Status.Price == nil || back.Status.Price.Rows != 0 {
				t.Errorf("replaced %v, price %v", back.Status.Replaced, back.Status.Price)
			}
		})
	}
}

// versions makes the Jobs of rollbacks see a version.
func (w *world) versions(v string) {
	ok := pipeline.JobOutcome{State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: map[string]string{
		"version.database": v, "version.http": v, "count.posts": "112, 2400", "count.users": "5"}}}
	w.outcomes["back"] = ok
}

func (w *world) rollback() *v1alpha1.Rollback {
	w.t.Helper()
	var backs v1alpha1.RollbackList
	w.must(w.admin.List(w.ctx, &backs, client.InNamespace(w.namespace)))
	if len(backs.Items) != 1 {
		w.t.Fatalf("%d Rollbacks", len(backs.Items))
	}
	return &backs.Items[0]
}

func TestAPersonGoesBackAndKnowsThePrice(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.until("over", over)
	w.versions("1.0")
	w.must(w.admin.Create(w.ctx, &v1alpha1.Rollback{ObjectMeta: w.meta("back"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}}}))
	waiting := func() bool {
		return meta.IsStatusConditionTrue(w.rollback().Status.Conditions, v1alpha1.WaitingCondition)
	}
	for i := 0; !waiting(); i++ {
		if w.tick(); i > 20 {
			t.Fatalf("does not wait: %v", w.rollback().Status)
		}
	}
	for range 3 {
		w.tick()
	}
	back := w.rollback()
	if p := back.Status.Price; p.Rows != 12 || len(p.Lost) != 1 || p.Lost[0].Name != "posts" || len(back.Status.Changes) != 0 {
		t.Fatalf("price %+v, changes %v", p, back.Status.Changes)
	}
	w.wantServing("campus:2.0")
	approve := func(name, digest, who string) {
		w.must(w.admin.Create(w.ctx, &v1alpha1.UpgradeApproval{ObjectMeta: w.meta(name), Spec: v1alpha1.UpgradeApprovalSpec{
			RollbackRef: &v1alpha1.LocalRef{Name: "back"}, Gate: v1alpha1.GateDataLoss, Digest: digest, Decision: v1alpha1.DecisionApprove, Approver: who}}))
	}
	approve("other-price", "sha256:"+strings.Repeat("1", 64), "oncall@campus.example")
	approve("robot", back.Status.Price.Digest, "system:serviceaccount:argocd:argocd")
	for range 3 {
		w.tick()
	}
	if !waiting() {
		t.Fatal("confirmed by what is no confirmation")
	}
	approve("loss", back.Status.Price.Digest, "oncall@campus.example")
	for i := 0; meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.SucceededCondition) == nil; i++ {
		if w.tick(); i > 80 {
			for _, e := range w.rollback().Status.Steps {
				t.Logf("%s: %s %s %s", e.Name, e.State, e.Reason, e.Message)
			}
			t.Fatal("the rollback does not end")
		}
	}
	if c := meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
	w.wantTasks()
}

func TestDeletingAGoLivePutsTheSiteBack(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 5 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); client.IgnoreNotFound(err) != nil || err == nil {
		t.Fatalf("the go-live is still there: %v", err)
	}
	if !w.isOpen() || *w.deployment("web").Spec.Replicas != 2 {
		t.Error("the site was not put back")
	}
}

func TestDeletingAGoLivePastThePointOfNoReturnWaitsForAPerson(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-hop-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("upgrading", func(g *v1alpha1.GoLive) bool { return state(g, "Hops") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 5 {
		w.tick()
	}
	g := w.get()
	if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition); c == nil || c.Reason != "DeletionWaits" {
		t.Errorf("conditions %v", g.Status.Conditions)
	}
	if w.isOpen() {
		t.Error("opened half-upgraded")
	}
	// What the message names works, and awaits the hop that nobody stopped.
	pod := w.pod("upgrades", map[string]string{batchv1.JobNameLabel: w.jobs("-hop-")[0]})
	w.versions("1.0")
	w.backFromGo("back")
	w.backUntil("awaiting the hop", at("AwaitHops"))
	for range 5 {
		w.tick()
	}
	if e := entry(w.rollback(), "AwaitHops"); e.State != v1alpha1.StepRunning || w.isOpen() {
		t.Fatalf("a hop runs, and AwaitHops is %s; open: %v", e.State, w.isOpen())
	}
	w.must(w.admin.Delete(w.ctx, pod, client.GracePeriodSeconds(0)))
	w.wantBack()
	w.tick()
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), g); !apierrors.IsNotFound(err) {
		t.Errorf("the go-live is still there: %v", err)
	}
}

func TestALeaseThatWasTakenStallsTheRun(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	lease := &coordinationv1.Lease{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "gradus-campus"}, lease))
	lease.Spec.HolderIdentity = ptr.To("Watchdog/" + *lease.Spec.HolderIdentity)
	lease.Spec.LeaseTransitions = ptr.To(*lease.Spec.LeaseTransitions + 1)
	w.must(w.admin.Update(w.ctx, lease))
	w.outcomes = map[string]pipeline.JobOutcome{}
	writes := w.writes
	for range 5 {
		w.tick()
	}
	if c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.StalledCondition); c == nil || c.Reason != v1alpha1.LeaseLostReason {
		t.Errorf("conditions %v", w.get().Status.Conditions)
	}
	if w.writes != writes+1 { // its own status, once
		t.Errorf("%d writes without the lease", w.writes-writes)
	}
}

// The way back after a failed hop, killed before and after every write.
func TestARollbackSurvivesACrashAtEveryWrite(t *testing.T) {
	fail := func(w *world) {
		w.outcomes["go-hop"] = broken("CountsDiffer")
		w.versions("1.0")
		w.order(nil)
		w.at = w.oracle
	}
	clean := newWorld(t)
	fail(clean)
	clean.until("a rollback", func(*v1alpha1.GoLive) bool { return clean.rollbacks() == 1 })
	first := clean.writes
	clean.until("over", over)
	t.Logf("%d writes, %d of them on the way back", clean.writes, clean.writes-first)
	step := 9 // a sample; GRADUS_EVERY_CRASH=1 runs all
	if os.Getenv("GRADUS_EVERY_CRASH") != "" {
		step = 1
	}
	for n := first; n < clean.writes; n += step {
		for _, after := range []bool{true, false} {
			t.Run(fmt.Sprintf("write %d, after=%v", n, after), func(t *testing.T) {
				w := newWorld(t)
				w.crash, w.after = n, after
				fail(w)
				w.until("over", over)
				w.wantServing("campus:1.0")
				if c := meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.SucceededCondition); c == nil || c.Status != metav1.ConditionTrue {
					t.Errorf("the rollback ended as %v", c)
				}
			})
		}
	}
}

func (w *world) rollbacks() int {
	w.t.Helper()
	var backs v1alpha1.RollbackList
	w.must(w.admin.List(w.ctx, &backs, client.InNamespace(w.namespace)))
	return len(backs.Items)
}
