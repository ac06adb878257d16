// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

func (w *world) rollbacks() int {
	w.t.Helper()
	var backs v1alpha1.RollbackList
	w.must(w.admin.List(w.ctx, &backs, client.InNamespace(w.namespace)))
	return len(backs.Items)
}
