// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"context"
	"errors"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// tick lets the operator reconcile once everything that it would, and the
// cluster answer.
func (w *world) tick() {
	w.t.Helper()
	base := w.base()
	g := &v1alpha1.GoLive{}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), g); err == nil {
		_, err := (&controllers.GoLiveReconciler{Base: base}).Reconcile(w.ctx, g)
		w.survive(err)
	}
	var backs v1alpha1.RollbackList
	w.must(w.admin.List(w.ctx, &backs, client.InNamespace(w.namespace)))
	for i := range backs.Items {
		if backs.Items[i].Name == w.skip {
			continue
		}
		_, err := (&controllers.RollbackReconciler{Base: base}).Reconcile(w.ctx, &backs.Items[i])
		w.survive(err)
	}
	w.deployments()
	w.backups()
	w.storage()
	w.clock.Step(5 * time.Second)
	if w.at != nil {
		w.at()
	}
}

func (w *world) survive(err error) {
	w.t.Helper()
	if err != nil && !errors.Is(err, errCrashed) && w.refuse == "" && w.blind == "" {
		w.t.Fatalf("reconcile: %v", err)
	}
}

// deployments plays the deployment controller, with pods that start at once.
func (w *world) deployments() {
	var all appsv1.DeploymentList
	w.must(w.admin.List(w.ctx, &all, client.InNamespace(w.namespace)))
	for i := range all.Items {
		d := &all.Items[i]
		n := *d.Spec.Replicas
		if d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == n {
			continue
		}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		w.must(client.IgnoreNotFound(w.admin.Status().Update(w.ctx, d)))
	}
}

// backups plays the backup controller: every backup is verified.
func (w *world) backups() {
	var all v1alpha1.SiteBackupList
	w.must(w.admin.List(w.ctx, &all, client.InNamespace(w.namespace)))
	for i := range all.Items {
		b := &all.Items[i]
		if b.Status.Taken != nil {
			continue
		}
		now := metav1.NewTime(w.clock.Now())
		b.Status.Taken, b.Status.ObservedGeneration, b.Status.Version = &now, 1, "1.0"
		b.Status.Counts = []v1alpha1.Count{{Name: "posts", Value: "100, 2000"}, {Name: "users", Value: "5"}}
		b.Status.Copies = []v1alpha1.BackupCopy{{Location: "vault", FailureDomain: "other", Holds: v1alpha1.HoldsDatabase, Volume: "database",
			Path: "campus-database/" + b.Name + "-dump", Consistency: "Logical", Taken: now, Verified: &now},
			{Location: "snapshots", FailureDomain: "storage", Holds: v1alpha1.HoldsFiles, Volume: "files",
				Snapshot: &v1alpha1.SnapshotRef{Name: b.Name + "-files", UID: "u-" + b.Name, ClaimName: "files", StorageClassName: "fast",
					Capacity: "1Gi"}, Consistency: "Crash", Taken: now, Verified: &now}}
		for _, c := range []string{v1alpha1.ReadyCondition, v1alpha1.VerifiedCondition} {
			meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{Type: c, Status: metav1.ConditionTrue, Reason: "Done"})
		}
		w.must(w.admin.Status().Update(w.ctx, b))
	}
}

// until ticks until something holds.
func (w *world) until(what string, holds func(*v1alpha1.GoLive) bool) *v1alpha1.GoLive {
	w.t.Helper()
	for range 120 {
		w.tick()
		if g := w.get(); holds(g) {
			return g
		}
	}
	g := w.get()
	for _, e := range g.Status.Steps {
		w.t.Logf("%s %s: %s %s: %s", e.Name, e.Key, e.State, e.Reason, e.Message)
	}
	w.t.Fatalf("never came to it: %s; conditions %v", what, g.Status.Conditions)
	return nil
}

func (w *world) get() *v1alpha1.GoLive {
	w.t.Helper()
	g := &v1alpha1.GoLive{}
	w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), g))
	return g
}

func succeeded(g *v1alpha1.GoLive) *metav1.Condition {
	return meta.FindStatusCondition(g.Status.Conditions, v1alpha1.SucceededCondition)
}

func over(g *v1alpha1.GoLive) bool {
	return succeeded(g) != nil && meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.ReadyCondition)
}

func state(g *v1alpha1.GoLive, step string) v1alpha1.StepState {
	for _, e := range g.Status.Steps {
		if e.Name == step {
			return e.State
		}
	}
	return ""
}

func (r reports) Outcome(_ context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	best := ""
	for part := range r.w.outcomes {
		if strings.Contains(job.Name, part) && len(part) >= len(best) {
			best = part
		}
	}
	if outcome, ok := r.w.outcomes[best]; ok {
		return outcome, nil
	}
	now := r.w.clock.Now()
	return pipeline.JobOutcome{State: pipeline.JobSucceeded, Started: now, Ended: now.Add(time.Minute), Result: task.Result{OK: true, Facts: map[string]string{
		"version.database": "2.0", "version.http": "2.0", "count.users": "5", "count.posts": "100, 2000",
	}}}, nil
}
