// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"errors"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Script says what of the cluster does not do its part, for now.
type Script struct {
	// Busy are kinds whose played objects are still at work.
	Busy []string
	// Slow: the storage driver has not come to any snapshot.
	Slow bool
	// Full: a quota refused Jobs in this run, which is what its story is about.
	Full bool
}

// jobs is how a quota counts Jobs.
const jobs = corev1.ResourceName("count/jobs.batch")

// Fill lets no further Job into the site's namespace: its owner's quota is used
// up. The API server's own admission refuses them. What a quota controller would
// count, the status says.
func (w *World) Fill() {
	w.Full = true
	none := corev1.ResourceList{jobs: resource.MustParse("0")}
	quota := &corev1.ResourceQuota{ObjectMeta: w.Meta("full"), Spec: corev1.ResourceQuotaSpec{Hard: none}}
	w.Must(w.Admin.Create(w.ctx, quota))
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
	w.Must(w.Admin.Status().Update(w.ctx, quota))
	w.admits(false)
}

// Clear takes that quota away.
func (w *World) Clear() {
	w.Must(w.Admin.Delete(w.ctx, &corev1.ResourceQuota{ObjectMeta: w.Meta("full")}))
	w.admits(true)
}

// admits waits until the API server's admission knows of a quota, or that it is gone.
func (w *World) admits(want bool) {
	w.Must(until(w.ctx, "a quota", func() error {
		pod := corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "any", Image: Image}}}}
		job := &batchv1.Job{ObjectMeta: w.Meta("any"), Spec: batchv1.JobSpec{Template: pod}}
		err := w.server.admin.Create(w.ctx, job, client.DryRunAll)
		switch {
		case err != nil && !apierrors.IsForbidden(err):
			return err
		case (err == nil) != want:
			return errors.New("it is not in use yet")
		}
		return nil
	}))
}

// Remove deletes an object as a person.
func (w *World) Remove(object client.Object) { w.Must(w.Person.Delete(w.ctx, object)) }

// After does something after so many ticks, whatever the story waits for then.
func (w *World) After(ticks int, do func()) {
	w.later = append(w.later, later{w.Ticks + ticks, do})
}

// later is what happens in a tick.
type later struct {
	tick int
	do   func()
}

// happens does what is to happen by now.
func (w *World) happens() {
	for len(w.later) > 0 && w.later[0].tick <= w.Ticks {
		do := w.later[0].do
		w.later = w.later[1:]
		do()
	}
}

// Absent kills the operator, and lets nobody start it for a while. The watchdog stays.
func (w *World) Absent(span time.Duration) {
	for _, p := range w.procs {
		p.gate.Die()
		p.back = w.Clock.Now().Add(span)
	}
}

// Lose takes away what a snapshot is bound to, as a storage does that lost it.
func (w *World) Lose(snapshot *snapshotv1.VolumeSnapshot) {
	if snapshot.Status == nil || snapshot.Status.BoundVolumeSnapshotContentName == nil {
		w.Stop("snapshot %s is bound to nothing", snapshot.Name)
	}
	name := *snapshot.Status.BoundVolumeSnapshotContentName
	content := &snapshotv1.VolumeSnapshotContent{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := w.Admin.Delete(w.ctx, content); err != nil {
		w.Must(fmt.Errorf("lose %s: %w", name, err))
	}
}
