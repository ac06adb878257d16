// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// cronName is as long as the name of a CronJob may be; many charts cut theirs there.
const cronName = "nightly-tasks-of-campus-whose-name-has-52-characters"

// nightly makes a CronJob of the site, as an LMS's cron often is one.
func (w *world) nightly(image string) {
	w.t.Helper()
	files := corev1.Volume{Name: "files", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "files"}}}
	pod := corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Volumes: []corev1.Volume{files},
		Containers: []corev1.Container{{Name: "task", Image: image}}}
	w.must(w.admin.Create(w.ctx, &batchv1.CronJob{ObjectMeta: w.meta(cronName), Spec: batchv1.CronJobSpec{
		Schedule: "0 1 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod}}}}}))
}

func (w *world) cronJob() *batchv1.CronJob {
	w.t.Helper()
	c := &batchv1.CronJob{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: cronName}, c))
	return c
}

func (w *world) wantCronJob(suspended bool, image string) {
	w.t.Helper()
	c := w.cronJob()
	got := c.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Image
	if ptr.Deref(c.Spec.Suspend, false) != suspended || got != image {
		w.t.Errorf("CronJob is suspended: %v, with image %s; want %v, %s", ptr.Deref(c.Spec.Suspend, false), got, suspended, image)
	}
}

func TestACronJobOfTheSiteSleepsAndWakesWithTheNewCode(t *testing.T) {
	w := newWorld(t)
	w.nightly("campus:1.0")
	w.order(nil)
	w.until("committed", func(g *v1alpha1.GoLive) bool { return state(g, "Commit") == v1alpha1.StepPassed })
	w.wantCronJob(true, "campus:1.0")
	w.until("over", over)
	w.wantCronJob(false, "campus:2.0")
	w.wantServing("campus:2.0")
	if _, held := w.cronJob().Annotations[v1alpha1.HeldAnnotation]; held {
		t.Error("the CronJob still has our note")
	}
}

func TestACronJobWakesAsItWasWhenGoLiveFails(t *testing.T) {
	w := newWorld(t)
	w.nightly("campus:1.0")
	w.outcomes["-awaitsilence-"] = broken("SessionsLeft")
	w.order(nil)
	w.until("over", over)
	w.wantCronJob(false, "campus:1.0")
	w.wantServing("campus:1.0")
}

func TestACronJobGoesBackWithTheSite(t *testing.T) {
	w := newWorld(t)
	w.nightly("campus:1.0")
	w.outcomes["go-hop"] = broken("PluginBroken")
	w.versions("1.0")
	w.order(nil)
	w.until("over", over)
	w.wantCronJob(false, "campus:1.0")
	w.wantServing("campus:1.0")
}

// Its watchdog could not put such a one back: nobody could, should the operator die.
func TestACronJobThatComesAfterTheWatchdogEndsTheRun(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.until("watched", func(g *v1alpha1.GoLive) bool { return state(g, "StartWatchdog") == v1alpha1.StepPassed })
	w.nightly("campus:1.0")
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "CronJob nightly") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantCronJob(false, "campus:1.0")
	w.wantServing("campus:1.0")
}

func TestARunningPodOfACronJobIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	w.nightly("campus:1.0")
	w.order(nil)
	c := w.cronJob()
	job := &batchv1.Job{ObjectMeta: w.meta("nightly-1"), Spec: batchv1.JobSpec{Template: c.Spec.JobTemplate.Spec.Template}}
	job.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(c, batchv1.SchemeGroupVersion.WithKind("CronJob"))}
	w.must(w.admin.Create(w.ctx, job))
	pod := &corev1.Pod{ObjectMeta: w.meta("nightly-1-x"), Spec: c.Spec.JobTemplate.Spec.Template.Spec}
	pod.Labels = map[string]string{batchv1.JobNameLabel: "nightly-1"}
	w.must(w.admin.Create(w.ctx, pod))
	w.until("quiescing", func(g *v1alpha1.GoLive) bool { return state(g, "Quiesce") == v1alpha1.StepRunning })
	for range 3 {
		w.tick()
	}
	if g := w.get(); state(g, "Quiesce") != v1alpha1.StepRunning {
		t.Errorf("Quiesce is %s while the CronJob's pod runs", state(g, "Quiesce"))
	}
	w.must(w.admin.Delete(w.ctx, pod, client.GracePeriodSeconds(0)))
	w.until("over", over)
	w.wantCronJob(false, "campus:2.0")
}

// Each is suspended and gets the new image: past the point of no return a full
// journal would keep the site closed for ever.
func TestMoreCronJobsThanAJournalHoldsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.nightly("campus:1.0")
	for i := range 29 {
		more := w.cronJob().DeepCopy()
		more.ObjectMeta = w.meta(fmt.Sprintf("nightly-%d", i))
		w.must(w.admin.Create(w.ctx, more))
	}
	w.order(nil)
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "TooManyChanges" ||
		!strings.Contains(c.Message, "66 changes") || !strings.Contains(c.Message, "30 CronJobs") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if state(g, "Check") != v1alpha1.StepFailed || len(g.Status.Changes) != 0 {
		t.Errorf("Check is %s, changes %v", state(g, "Check"), g.Status.Changes)
	}
}

func TestACronJobWithAnImageOfItsOwnIsRefused(t *testing.T) {
	w := newWorld(t)
	w.nightly("reports:7")
	w.order(nil)
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "CronJob nightly") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantCronJob(false, "reports:7")
}

// A site changes between its go-live and the way back. What was deleted since
// is not waited for, and no new code runs on the old database.
func TestTheWayBackDoesNotNeedACronJobThatWasDeletedSince(t *testing.T) {
	w := newWorld(t)
	w.nightly("campus:1.0")
	w.order(nil)
	w.until("over", over)
	w.must(w.admin.Delete(w.ctx, w.cronJob()))
	w.versions("1.0")
	back := &v1alpha1.Rollback{ObjectMeta: w.meta("back"), Spec: v1alpha1.RollbackSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: "go"}},
		MaxDataLoss: v1alpha1.DataLoss{Rows: 1000}}}
	back.Annotations = map[string]string{v1alpha1.AuthorsAnnotation: "tom"}
	w.must(w.admin.Create(w.ctx, back))
	image := ""
	w.at = func() {
		var jobs batchv1.JobList
		w.must(w.admin.List(w.ctx, &jobs, client.InNamespace(w.namespace)))
		for _, job := range jobs.Items {
			if strings.Contains(job.Name, "caches") && job.Labels[v1alpha1.OwnerKindLabel] == "Rollback" {
				for _, c := range job.Spec.Template.Spec.InitContainers {
					if strings.HasPrefix(c.Image, "campus:") {
						image = c.Image
					}
				}
			}
		}
	}
	w.backUntil("over", ended)
	if c := meta.FindStatusCondition(w.rollback().Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	if image != "campus:1.0" {
		t.Errorf("caches were emptied by %q", image)
	}
	w.wantServing("campus:1.0")
}
