// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// storage plays those that make volumes, bind claims and let deleted ones go,
// as long as no pod mounts them.
func (w *world) storage() {
	w.t.Helper()
	var all corev1.PersistentVolumeClaimList
	w.must(w.admin.List(w.ctx, &all, client.InNamespace(w.namespace)))
	for i := range all.Items {
		w.bind(&all.Items[i])
	}
}

func (w *world) bind(claim *corev1.PersistentVolumeClaim) {
	w.t.Helper()
	if !claim.DeletionTimestamp.IsZero() {
		var pods corev1.PodList
		w.must(w.admin.List(w.ctx, &pods, client.InNamespace(w.namespace)))
		for _, pod := range pods.Items {
			for _, v := range pod.Spec.Volumes {
				if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim.Name {
					return
				}
			}
		}
		claim.Finalizers = nil
		w.must(client.IgnoreNotFound(w.admin.Update(w.ctx, claim)))
		return
	}
	if claim.Spec.VolumeName == "" {
		claim.Spec.VolumeName = w.namespace + "-" + claim.Name
		w.must(w.admin.Create(w.ctx, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName},
			Spec: corev1.PersistentVolumeSpec{AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests,
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
				ClaimRef:                      &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name},
				PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "test", VolumeHandle: claim.Name}}}}))
		w.must(w.admin.Update(w.ctx, claim))
	}
	volume := &corev1.PersistentVolume{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, volume))
	phase := corev1.ClaimPending
	if ref := volume.Spec.ClaimRef; ref != nil && ref.Namespace == claim.Namespace && ref.Name == claim.Name {
		phase = corev1.ClaimBound
	}
	if claim.Status.Phase != phase {
		claim.Status.Phase = phase
		w.must(w.admin.Status().Update(w.ctx, claim))
	}
}

// files makes the live claim of the site's files.
func (w *world) files() {
	w.t.Helper()
	w.claim("files")
	w.storage()
}

// claim makes one that asks for a volume.
func (w *world) claim(name string) {
	w.t.Helper()
	w.must(w.admin.Create(w.ctx, &corev1.PersistentVolumeClaim{ObjectMeta: w.meta(name), Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}))
}

func (w *world) volumeOf(claim string) string {
	w.t.Helper()
	got := &corev1.PersistentVolumeClaim{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: claim}, got))
	return got.Spec.VolumeName
}

// mounting makes a pod that has ended and mounts the files; of is its Job.
func (w *world) mounting(name string, of *batchv1.Job) {
	w.t.Helper()
	w.mountingClaim(name, "files", of)
}

func (w *world) mountingClaim(name, claim string, of *batchv1.Job) {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: w.meta(name), Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "a", Image: "a"}},
		Volumes: []corev1.Volume{{Name: "files", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}}}
	if of != nil {
		pod.Labels = map[string]string{batchv1.JobNameLabel: of.Name}
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(of, batchv1.SchemeGroupVersion.WithKind("Job"))}
	}
	w.must(w.admin.Create(w.ctx, pod))
	pod.Status.Phase = corev1.PodSucceeded
	w.must(w.admin.Status().Update(w.ctx, pod))
}

func restoring(r *v1alpha1.Rollback) { r.Spec.Files = v1alpha1.RestoreFiles }

func TestFilesAreRestoredBehindTheSameClaim(t *testing.T) {
	w := newWorld(t)
	w.files()
	was := w.volumeOf("files")
	w.goesBack(restoring)
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
	suffix := string(back.UID)[:8]
	if now := w.volumeOf("files"); now != w.namespace+"-files-r"+suffix {
		t.Errorf("the live claim has volume %s", now)
	}
	if kept := w.volumeOf("files-replaced-" + suffix); kept != was {
		t.Errorf("kept is %s, want %s", kept, was)
	}
	if all := strings.Join(back.Status.Replaced, ", "); !strings.Contains(all, "claim files-replaced-"+suffix) {
		t.Errorf("replaced: %s", all)
	}
	for _, name := range []string{was, w.volumeOf("files")} {
		volume := &corev1.PersistentVolume{}
		w.must(w.admin.Get(w.ctx, client.ObjectKey{Name: name}, volume))
		if _, held := volume.Annotations[v1alpha1.HeldAnnotation]; held || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
			t.Errorf("volume %s: note %v, policy %s", name, held, volume.Spec.PersistentVolumeReclaimPolicy)
		}
	}
}

// A pod that has ended keeps a claim from going, whoever made it.
func TestWhoHoldsTheFilesIsNamedBeforeAnythingIsTouched(t *testing.T) {
	w := newWorld(t)
	w.files()
	w.mounting("install", nil)
	w.goesBack(restoring)
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "install") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if len(back.Status.Changes) > 0 {
		t.Errorf("changes %v", back.Status.Changes)
	}
}

// A name under which a volume is to be kept may be somebody's: past the point of no return the
// site would stay closed for it.
func TestANameThatIsTakenIsToldBeforeAnythingIsSwitched(t *testing.T) {
	w := newWorld(t)
	w.files()
	w.goesBack(restoring)
	w.outcomes["way-verify"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	back := w.backUntil("verifies", at("VerifyBeside"))
	name := rollback.ClaimReplaced(back, "files")
	w.claim(name)
	w.outcomes["way-verify"] = finds(100)
	back = w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionFalse ||
		c.Reason != "NoWayBack" || !strings.Contains(c.Message, name) {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	if !w.isOpen() {
		t.Error("users are shut out")
	}
}

func TestEndedJobsOfOursLetTheFilesGo(t *testing.T) {
	w := newWorld(t)
	w.files()
	job := &batchv1.Job{ObjectMeta: w.meta("hashed"), Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "a", Image: "a"}}}}}}
	job.Labels = map[string]string{v1alpha1.OwnerUIDLabel: "u-backup"}
	w.must(w.admin.Create(w.ctx, job))
	w.mounting("hashed-1", job)
	w.goesBack(restoring)
	w.at = func() { // the garbage collector
		if client.IgnoreNotFound(w.admin.Get(w.ctx, client.ObjectKeyFromObject(job), &batchv1.Job{})) == nil &&
			w.admin.Get(w.ctx, client.ObjectKeyFromObject(job), &batchv1.Job{}) != nil {
			w.must(client.IgnoreNotFound(w.admin.Delete(w.ctx, &corev1.Pod{ObjectMeta: w.meta("hashed-1")}, client.GracePeriodSeconds(0))))
		}
	}
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
}

// The rollback's own Job that compares the restored files has a pod as well.
func TestThePodThatComparedTheFilesLetsThemGo(t *testing.T) {
	w := newWorld(t)
	w.files()
	w.goesBack(restoring)
	made := false
	w.at = func() {
		var jobs batchv1.JobList
		w.must(w.admin.List(w.ctx, &jobs, client.InNamespace(w.namespace)))
		left := false
		for i := range jobs.Items {
			job := &jobs.Items[i]
			if !strings.HasPrefix(job.Name, "way-verify") || !job.DeletionTimestamp.IsZero() {
				continue
			}
			if left = true; !made {
				made = true
				w.mountingClaim("compared", rollback.ClaimBeside(w.rollback(), "files"), job)
			}
		}
		if made && !left { // the garbage collector
			w.must(client.IgnoreNotFound(w.admin.Delete(w.ctx, &corev1.Pod{ObjectMeta: w.meta("compared")}, client.GracePeriodSeconds(0))))
		}
	}
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue || !made {
		t.Fatalf("%s: %s; a pod was there: %v", c.Reason, c.Message, made)
	}
}

func TestFilesWithoutAProvenSnapshotAreNotRestored(t *testing.T) {
	w := newWorld(t)
	w.files()
	w.goesBack(restoring)
	backup := &v1alpha1.SiteBackup{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "backup"}, backup))
	backup.Status.Copies[1].Verified = nil
	w.must(w.admin.Status().Update(w.ctx, backup))
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "no proven snapshot of volume files") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
}

// A pod may mount the files after they were found free: it is named, and the
// exchange goes on when it is gone.
func TestAPodThatMountsTheFilesInTheMeantimeIsNamed(t *testing.T) {
	w := newWorld(t)
	w.files()
	w.goesBack(restoring)
	stands := func(step, reason string) func(*v1alpha1.Rollback) bool {
		return func(r *v1alpha1.Rollback) bool {
			i := slices.IndexFunc(r.Status.Steps, func(e v1alpha1.StepStatus) bool { return e.Name == step })
			return i >= 0 && r.Status.Steps[i].Reason == reason && strings.Contains(r.Status.Steps[i].Message, "debug")
		}
	}
	came := false
	w.at = func() {
		if r := w.rollback(); !came && at("FreeClaims")(r) && rollbackStep(r, "FreeClaims") == v1alpha1.StepPassed {
			came = true
			w.mounting("debug", nil)
		}
	}
	w.backUntil("a pod that is named", stands("SwitchFiles", "VolumeInUse"))
	w.must(w.admin.Delete(w.ctx, &corev1.Pod{ObjectMeta: w.meta("debug")}, client.GracePeriodSeconds(0)))
	back := w.backUntil("over", ended)
	if c := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition); c.Status != metav1.ConditionTrue {
		t.Fatalf("%s: %s", c.Reason, c.Message)
	}
}

func rollbackStep(r *v1alpha1.Rollback, name string) v1alpha1.StepState {
	for _, e := range r.Status.Steps {
		if e.Name == name {
			return e.State
		}
	}
	return ""
}
