// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/notify"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// jobs lets a test say, by step, how Jobs ended; all others still run.
type jobs map[string]pipeline.JobOutcome

func (j jobs) Outcome(_ context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	if o, ok := j[job.Labels[v1alpha1.StepLabel]]; ok {
		return o, nil
	}
	return pipeline.JobOutcome{State: pipeline.JobRunning}, nil
}

func (jobs) Keep(context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (jobs) Store(_ context.Context, _ pipeline.Owner, _ *v1alpha1.StepStatus, name string, _ []byte) (v1alpha1.Evidence, error) {
	return v1alpha1.Evidence{Name: name, Digest: "sha256:" + strings.Repeat("a", 64)}, nil
}

// site reads the Site after one reconcile.
func (w *backupWorld) site() *v1alpha1.Site {
	w.t.Helper()
	site := &v1alpha1.Site{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "campus", Name: "campus"}, site); err != nil {
		w.t.Fatal(err)
	}
	if _, err := (&SiteReconciler{Base: w.base}).Reconcile(w.t.Context(), site); err != nil {
		w.t.Fatal(err)
	}
	once := site.ResourceVersion
	if _, err := (&SiteReconciler{Base: w.base}).Reconcile(w.t.Context(), site); err != nil || site.ResourceVersion != once {
		w.t.Errorf("nothing changed and the Site was written (%v)", err)
	}
	return site
}

// plan reads a plan after some reconciles.
func (w *backupWorld) plan(name string) *v1alpha1.UpgradePlan {
	w.t.Helper()
	r := &UpgradePlanReconciler{Base: w.base}
	p := &v1alpha1.UpgradePlan{}
	for range 8 {
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: "campus", Name: name}, p); err != nil {
			w.t.Fatal(err)
		}
		if _, err := r.Reconcile(w.t.Context(), p); err != nil {
			w.t.Fatalf("reconcile %s: %v", name, err)
		}
	}
	return p
}

func newPlan(name string) *v1alpha1.UpgradePlan {
	return &v1alpha1.UpgradePlan{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name},
		Spec: v1alpha1.UpgradePlanSpec{
			SiteRef: v1alpha1.LocalRef{Name: "campus"},
			Target:  v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
		},
	}
}

func TestStoryOfASiteAndTwoPlans(t *testing.T) {
	w := startBackupWorld(t)
	w.base.Teller = notify.NewTeller(w.client, "gradus-system")
	outcomes := jobs{}
	w.base.Engine.Reports = outcomes

	w.aSiteWaitsForItsDeployment()
	w.aSiteWaitsForItsClaims()
	w.make(newPlan("autumn"))
	w.theFirstPlanTakesTheSite()
	w.make(newPlan("spring"))
	w.theSecondPlanWaits()
	w.thePlanWalksToItsBackup(outcomes)
	w.theSecondPlanGoesOn()
}

func (w *backupWorld) aSiteWaitsForItsDeployment() {
	w.t.Helper()
	ctx := w.t.Context()
	web := &appsv1.Deployment{}
	if err := w.client.Get(ctx, client.ObjectKey{Namespace: "campus", Name: "campus-web"}, web); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Delete(ctx, web.DeepCopy()); err != nil {
		w.t.Fatal(err)
	}
	site := w.site()
	ready := meta.FindStatusCondition(site.Status.Conditions, v1alpha1.ReadyCondition)
	if ready.Status != metav1.ConditionFalse || ready.Reason != v1alpha1.SiteNotReadyReason ||
		!strings.Contains(ready.Message, "Deployment campus-web") || !strings.Contains(ready.Message, "spec.workloads[web].targetRef") {
		w.t.Errorf("a Site whose Deployment is missing says %+v", ready)
	}
	web.ResourceVersion, web.UID = "", ""
	w.make(web)
	site = w.site()
	if !meta.IsStatusConditionTrue(site.Status.Conditions, v1alpha1.ReadyCondition) || site.Status.State != v1alpha1.SiteServing ||
		len(site.Status.Images) != 1 || site.Status.Images[0].Image != "image:1" {
		w.t.Errorf("when it is there: %+v", site.Status)
	}
}

// The message names the field that a person has written, of the database's own claim as well.
func (w *backupWorld) aSiteWaitsForItsClaims() {
	w.t.Helper()
	ctx := w.t.Context()
	for name, field := range map[string]string{
		"campus-files": "spec.volumes[files].claimName", "data-campus-db-0": "spec.database.workloadRef",
	} {
		claim := &corev1.PersistentVolumeClaim{}
		if err := w.client.Get(ctx, client.ObjectKey{Namespace: "campus", Name: name}, claim); err != nil {
			w.t.Fatal(err)
		}
		if err := w.client.Delete(ctx, claim.DeepCopy()); err != nil {
			w.t.Fatal(err)
		}
		protected := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := w.client.Patch(ctx, claim.DeepCopy(), protected); client.IgnoreNotFound(err) != nil {
			w.t.Fatal(err)
		}
		said := meta.FindStatusCondition(w.site().Status.Conditions, v1alpha1.ReadyCondition)
		want := "waiting for PersistentVolumeClaim " + name + " (Site campus, " + field +
			"); create what is not there, or name another in the Site"
		if said.Reason != v1alpha1.SiteNotReadyReason || said.Message != want {
			w.t.Errorf("a Site without %s says %q, want %q", name, said.Message, want)
		}
		claim.ResourceVersion, claim.UID = "", ""
		w.make(claim)
		if ready := w.site().Status.Conditions; !meta.IsStatusConditionTrue(ready, v1alpha1.ReadyCondition) {
			w.t.Errorf("%s is there again: %+v", name, ready)
		}
	}
}

func (w *backupWorld) theFirstPlanTakesTheSite() {
	w.t.Helper()
	p := w.plan("autumn")
	if got := w.site().Status.Plan; got != "autumn" {
		w.t.Errorf("the site is held by %q", got)
	}
	if e := p.Status.Steps[2]; e.Name != v1alpha1.StepReviewSite || e.State != v1alpha1.StepRunning || len(e.Children) != 1 {
		w.t.Errorf("step 3 is %+v", e)
	}
	if len(p.Status.Steps) != 18 || p.Status.Summary.Step != "3/18 ReviewSite" {
		w.t.Errorf("%d steps, at %s", len(p.Status.Steps), p.Status.Summary.Step)
	}
}

func (w *backupWorld) theSecondPlanWaits() {
	w.t.Helper()
	p := w.plan("spring")
	waiting := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.WaitingCondition)
	if waiting == nil || waiting.Reason != v1alpha1.SiteBusyReason || !strings.Contains(waiting.Message, "autumn") {
		w.t.Errorf("the second plan waits: %+v", waiting)
	}
	if !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ReadyCondition) || p.Status.Summary.State != v1alpha1.PlanWaiting {
		w.t.Errorf("a plan that waits is in order: %+v", p.Status.Conditions)
	}
}

func (w *backupWorld) thePlanWalksToItsBackup(outcomes jobs) {
	w.t.Helper()
	plugins := []byte(`[{"name":"mod_quiz","version":"1"}]`)
	done := func(document string, facts map[string]string) pipeline.JobOutcome {
		return pipeline.JobOutcome{
			State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: facts},
			Documents: map[string][]byte{document + "." + task.PluginsDocument: plugins},
		}
	}
	outcomes[v1alpha1.StepReviewSite] = done("plugins", map[string]string{
		"version.database": "1.0", "version.http": "1.0", "server.version": "15.18 (Debian)", "server.bytes": "4096", "count.rows": "9",
	})
	if p := w.plan("autumn"); p.Status.Steps[3].State != v1alpha1.StepRunning || p.Status.Inventory == nil || p.Status.Started == nil {
		w.t.Fatalf("after the stocktake: %+v", p.Status.Steps[3])
	}
	outcomes[v1alpha1.StepEstablishRequirements] = done("inventory", nil)
	p := w.plan("autumn")
	for i, want := range []v1alpha1.StepState{
		v1alpha1.StepSkipped, v1alpha1.StepPassed, v1alpha1.StepPassed, v1alpha1.StepPassed, v1alpha1.StepPassed,
		v1alpha1.StepPending, v1alpha1.StepRunning,
	} {
		if e := p.Status.Steps[i]; e.State != want {
			w.t.Errorf("step %d %s is %s, want %s: %s", i+1, e.Name, e.State, want, e.Message)
		}
	}
	if p.Status.Summary.Step != "7/18 BackUp" || p.Status.Digest == "" || len(p.Status.Hops) != 1 {
		w.t.Errorf("at %s, digest %q, hops %v", p.Status.Summary.Step, p.Status.Digest, p.Status.Hops)
	}
	if site := w.site(); site.Status.Version != "1.0" || site.Status.DatabaseVersion != "PostgreSQL 15.18 (Debian)" {
		w.t.Errorf("the Site shows %+v", site.Status)
	}
	w.aBackupOutlivesItsPlan(p)
	before := p.ResourceVersion
	if p = w.plan("autumn"); p.ResourceVersion != before {
		w.t.Error("nothing changed and the plan was written")
	}
}

func (w *backupWorld) aBackupOutlivesItsPlan(p *v1alpha1.UpgradePlan) {
	w.t.Helper()
	var backups v1alpha1.SiteBackupList
	if err := w.client.List(w.t.Context(), &backups); err != nil {
		w.t.Fatal(err)
	}
	if len(backups.Items) != 1 {
		w.t.Fatalf("%d backups", len(backups.Items))
	}
	b := backups.Items[0]
	if len(b.OwnerReferences) > 0 || b.Labels[v1alpha1.PlanUIDLabel] != string(p.UID) || p.Status.Steps[6].Children[0].UID != b.UID {
		w.t.Errorf("backup %s: owners %v, labels %v, remembered %v", b.Name, b.OwnerReferences, b.Labels, p.Status.Steps[6].Children)
	}
}

func (w *backupWorld) theSecondPlanGoesOn() {
	w.t.Helper()
	ctx := w.t.Context()
	p := w.plan("autumn")
	if err := w.client.Delete(ctx, p); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Get(ctx, client.ObjectKeyFromObject(p), p); err != nil {
		w.t.Fatal("a plan that holds a site went before it let go")
	}
	if _, err := (&UpgradePlanReconciler{Base: w.base}).Reconcile(ctx, p); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Get(ctx, client.ObjectKeyFromObject(p), p); client.IgnoreNotFound(err) != nil || err == nil {
		w.t.Errorf("the plan is still there: %v", err)
	}
	second := w.plan("spring")
	if got := w.site().Status.Plan; got != "spring" {
		w.t.Errorf("the site is held by %q", got)
	}
	if e := second.Status.Steps[2]; e.State != v1alpha1.StepPassed || e.Attempt != 1 {
		w.t.Errorf("the second plan's step 3: %+v", e)
	}
	if meta.FindStatusCondition(second.Status.Conditions, v1alpha1.WaitingCondition) != nil {
		w.t.Error("the second plan still waits")
	}
	var backups v1alpha1.SiteBackupList
	if err := w.client.List(ctx, &backups); err != nil || len(backups.Items) != 2 {
		w.t.Errorf("%d backups (%v), want that of the first plan and that of the second", len(backups.Items), err)
	}
}
