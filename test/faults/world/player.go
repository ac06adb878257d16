// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"maps"
	"slices"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

const driver = "csi.campus.example"

// play does what the controllers of a cluster and its drivers would, at once.
func (w *World) play() {
	for _, namespace := range w.namespaces() {
		w.deployments(namespace)
		w.statefulSets(namespace)
		w.storage(namespace)
		w.snapshots(namespace)
	}
	w.children()
}

// namespaces gives the site's and those of its copies, and lets go of those
// that are being deleted.
func (w *World) namespaces() []string {
	out := []string{w.Namespace}
	var all corev1.NamespaceList
	w.Must(w.Admin.List(w.ctx, &all, client.HasLabels{v1alpha1.OwnerUIDLabel}))
	for i := range all.Items {
		ns := &all.Items[i]
		if !strings.HasPrefix(ns.Annotations[v1alpha1.OwnerAnnotation], w.Namespace+"/") {
			continue
		}
		if ns.DeletionTimestamp.IsZero() {
			out = append(out, ns.Name)
			continue
		}
		ns.Spec.Finalizers = nil
		w.Must(client.IgnoreNotFound(w.Admin.SubResource("finalize").Update(w.ctx, ns)))
	}
	return out
}

func (w *World) in(namespace string, into client.ObjectList) {
	w.Must(w.Admin.List(w.ctx, into, client.InNamespace(namespace)))
}

// settled writes a status; whoever was deleted meanwhile needs none.
func (w *World) settled(object client.Object) {
	w.Must(client.IgnoreNotFound(w.Admin.Status().Update(w.ctx, object)))
}

func (w *World) deployments(namespace string) {
	var all appsv1.DeploymentList
	w.in(namespace, &all)
	for i := range all.Items {
		d := &all.Items[i]
		n := ptr.Deref(d.Spec.Replicas, 1)
		if d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == n {
			continue
		}
		d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: n, UpdatedReplicas: n,
			ReadyReplicas: n, AvailableReplicas: n}
		w.settled(d)
	}
}

func (w *World) statefulSets(namespace string) {
	var all appsv1.StatefulSetList
	w.in(namespace, &all)
	for i := range all.Items {
		s := &all.Items[i]
		n := ptr.Deref(s.Spec.Replicas, 1)
		if s.Status.ObservedGeneration == s.Generation && s.Status.ReadyReplicas == n {
			continue
		}
		s.Status = appsv1.StatefulSetStatus{ObservedGeneration: s.Generation, Replicas: n, UpdatedReplicas: n,
			CurrentReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		w.settled(s)
	}
}

// storage binds claims, and lets deleted ones go.
func (w *World) storage(namespace string) {
	var all corev1.PersistentVolumeClaimList
	w.in(namespace, &all)
	for i := range all.Items {
		claim := &all.Items[i]
		if claim.DeletionTimestamp.IsZero() {
			w.bind(claim)
			continue
		}
		claim.Finalizers = nil
		w.Must(client.IgnoreNotFound(w.Admin.Update(w.ctx, claim)))
	}
}

func (w *World) bind(claim *corev1.PersistentVolumeClaim) {
	if claim.Spec.VolumeName == "" {
		w.provision(claim)
	}
	volume := &corev1.PersistentVolume{}
	w.Must(w.Admin.Get(w.ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, volume))
	phase := corev1.ClaimPending
	if ref := volume.Spec.ClaimRef; ref != nil && ref.Namespace == claim.Namespace && ref.Name == claim.Name {
		phase = corev1.ClaimBound
	}
	if claim.Status.Phase != phase {
		claim.Status.Phase, claim.Status.Capacity = phase, claim.Spec.Resources.Requests
		w.settled(claim)
	}
}

// provision makes the volume of a claim. Its name tells what it was made for.
func (w *World) provision(claim *corev1.PersistentVolumeClaim) {
	name := w.volumeOf(claim.Namespace, claim.Name)
	policy := corev1.PersistentVolumeReclaimDelete
	if strings.HasPrefix(claim.Name, "gradus-") { // of backups
		policy = corev1.PersistentVolumeReclaimRetain
	}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
		AccessModes: claim.Spec.AccessModes, Capacity: claim.Spec.Resources.Requests,
		StorageClassName:              ptr.Deref(claim.Spec.StorageClassName, ""),
		PersistentVolumeReclaimPolicy: policy,
		ClaimRef: &corev1.ObjectReference{
			Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name,
		},
		PersistentVolumeSource: corev1.PersistentVolumeSource{
			CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: claim.Name}},
	}}
	w.Must(w.Admin.Create(w.ctx, volume))
	claim.Spec.VolumeName = name
	w.Must(w.Admin.Update(w.ctx, claim))
}

func (w *World) volumeOf(namespace, claim string) string {
	if namespace != w.Namespace {
		namespace = w.Namespace + "-" + namespace
	}
	return namespace + "-" + claim
}

// reclaim takes the volume of a claim that is gone away.
func (w *World) reclaim(namespace, claim string) {
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: w.volumeOf(namespace, claim)}}
	w.Must(client.IgnoreNotFound(w.Admin.Delete(w.ctx, volume)))
	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	w.Must(client.IgnoreNotFound(w.Admin.Patch(w.ctx, volume, free)))
}

// snapshots takes every snapshot of ours that waits for its driver.
func (w *World) snapshots(namespace string) {
	var all snapshotv1.VolumeSnapshotList
	w.in(namespace, &all)
	for i := range all.Items {
		s := &all.Items[i]
		waits := s.Status == nil || s.Status.Error != nil && w.Driver == ""
		switch {
		case !waits || !s.DeletionTimestamp.IsZero() || w.Slow || s.Labels[v1alpha1.OwnerUIDLabel] == "":
		case w.Driver != "":
			s.Status = &snapshotv1.VolumeSnapshotStatus{ReadyToUse: ptr.To(false),
				Error: &snapshotv1.VolumeSnapshotError{Message: &w.Driver}}
			w.settled(s)
		default:
			w.take(s)
		}
	}
}

func (w *World) take(s *snapshotv1.VolumeSnapshot) {
	name := ptr.Deref(s.Spec.Source.VolumeSnapshotContentName, "")
	if name == "" {
		name = "snapcontent-" + w.Namespace + "-" + s.Name
		content := &snapshotv1.VolumeSnapshotContent{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: snapshotv1.VolumeSnapshotContentSpec{
				DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain, Driver: driver,
				Source:            snapshotv1.VolumeSnapshotContentSource{VolumeHandle: ptr.To(s.Name)},
				VolumeSnapshotRef: corev1.ObjectReference{Namespace: s.Namespace, Name: s.Name, UID: s.UID},
			}}
		w.Must(w.Admin.Create(w.ctx, content))
		content.Status = &snapshotv1.VolumeSnapshotContentStatus{
			SnapshotHandle: ptr.To("handle-" + s.Name), ReadyToUse: ptr.To(true),
		}
		w.settled(content)
	}
	s.Status = &snapshotv1.VolumeSnapshotStatus{ReadyToUse: ptr.To(true), BoundVolumeSnapshotContentName: &name,
		CreationTime: &metav1.Time{Time: w.Clock.Now()}}
	w.settled(s)
}

// backups plays the backup controller: every backup is verified.
func (w *World) backups() {
	var all v1alpha1.SiteBackupList
	w.List(&all)
	for i := range all.Items {
		b := &all.Items[i]
		if b.Status.Taken != nil {
			continue
		}
		now := metav1.NewTime(w.Clock.Now())
		b.Status.Taken, b.Status.ObservedGeneration, b.Status.Version = &now, 1, "1.0"
		b.Status.Counts = []v1alpha1.Count{{Name: "posts", Value: "100, 2000"}, {Name: "users", Value: "5"}}
		b.Status.Copies = []v1alpha1.BackupCopy{
			{Location: "vault", FailureDomain: "vault", Holds: v1alpha1.HoldsDatabase, Volume: "database",
				Path: "campus-database/" + b.Name + "-dump", Consistency: "Logical", Taken: now, Verified: &now},
			{Location: "snapshots", FailureDomain: "storage", Holds: v1alpha1.HoldsFiles, Volume: "files",
				Snapshot: &v1alpha1.SnapshotRef{Name: b.Name + "-files", UID: "u-" + b.Name, ClaimName: "files",
					StorageClassName: "fast", Capacity: "1Gi"}, Consistency: "Crash", Taken: now, Verified: &now},
		}
		for _, c := range []string{v1alpha1.ReadyCondition, v1alpha1.VerifiedCondition} {
			meta.SetStatusCondition(&b.Status.Conditions,
				metav1.Condition{Type: c, Status: metav1.ConditionTrue, Reason: "Done"})
		}
		w.writesStatus(Manager, b)
	}
}

// outcome plays the pod of a Job.
func (w *World) outcome(job *batchv1.Job) pipeline.JobOutcome {
	for _, part := range slices.Sorted(maps.Keys(w.Outcomes)) {
		if strings.Contains(job.Name, part) {
			return w.Outcomes[part]
		}
	}
	now := w.Clock.Now()
	o := Finds("2.0", 100)
	if job.Labels[v1alpha1.OwnerKindLabel] == "SiteBackup" {
		o = Finds("1.0", 100)
	}
	o.Started, o.Ended = now, now.Add(time.Minute)
	return o
}

// Finds is a Job that succeeds, and sees a version and a number of posts.
func Finds(version string, posts int) pipeline.JobOutcome {
	figure := count(posts)
	return pipeline.JobOutcome{State: pipeline.JobSucceeded, Result: task.Result{OK: true, Facts: map[string]string{
		"version.database": version, "version.http": version, "version.disk": version,
		"count.users": "5", "count.posts": figure, "smoke.passed": "3", "smoke.checks": "3",
		"dump.sha256": "aa11", "dump.size": "4096", "dump.serverVersion": "15.18 (Debian)", "dump.databaseSize": "8000",
		"server.version": "15.18", "server.bytes": "8000",
		"dump.count.users": "5", "dump.count.posts": figure, "hash-rest.digest": "cc33", "verify-dump.sha256": "aa11",
	}}}
}

// Breaks is a Job that fails for a reason.
func Breaks(reason string) pipeline.JobOutcome {
	return pipeline.JobOutcome{State: pipeline.JobFailed, Result: task.Result{Reason: reason, Message: reason}}
}
