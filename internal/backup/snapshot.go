// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

// snapshotLimit is how long a driver may take until its snapshot can be used.
const snapshotLimit = 15 * time.Minute

// snapshotStep takes a snapshot for each place. The snapshots have no owner
// reference: nothing takes them away but a person.
func snapshotStep(name string, needs []string, places func(View) []place) pipeline.Step[View] {
	return pipeline.Step[View]{
		Name:    name,
		Needs:   needs,
		Each:    func(v View) []string { return keys(places(v)) },
		Timeout: func(View) time.Duration { return snapshotLimit },
		Create: func(v View, where pipeline.At) []client.Object {
			p, ok := at(places(v), where.Key)
			if !ok {
				return nil
			}
			return []client.Object{v.snapshot(where, p)}
		},
		Judge: func(v View, where pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if _, ok := at(places(v), where.Key); !ok {
				return cannot(where, nil)
			}
			return v.judgeSnapshot(seen)
		},
		Record: func(v View, where pipeline.At, seen pipeline.Seen) {
			p, ok := at(places(v), where.Key)
			snapshot, _ := pipeline.First[*snapshotv1.VolumeSnapshot](seen)
			if !ok || v.judgeSnapshot(seen).State != v1alpha1.StepPassed {
				return
			}
			v.put(v.snapshotCopy(p, snapshot, seen.Now))
		},
	}
}

func (v View) snapshot(where pipeline.At, p place) *snapshotv1.VolumeSnapshot {
	claim, class := v.Claims[p.volume].Name, p.location.VolumeSnapshot.ClassName
	s := workload.Snapshot(v.Site.Namespace, v.name(where, "snapshot"), claim, class)
	if plan := v.Backup.Spec.PlanRef; plan != nil && plan.UID != "" {
		s.Labels = map[string]string{v1alpha1.PlanUIDLabel: string(plan.UID)}
	}
	return s
}

// judgeSnapshot believes a snapshot when the driver calls it ready and it and
// its content name each other by UID.
func (v View) judgeSnapshot(seen pipeline.Seen) pipeline.Verdict {
	snapshot, ok := pipeline.First[*snapshotv1.VolumeSnapshot](seen)
	if !ok || snapshot == nil {
		return pipeline.Wait("TakingSnapshot", "making the snapshot")
	}
	status := snapshot.Status
	if status != nil && status.Error != nil && status.Error.Message != nil {
		return pipeline.Wait("SnapshotError", "VolumeSnapshot %s: the driver says: %s", snapshot.Name, *status.Error.Message)
	}
	if status == nil || status.ReadyToUse == nil || !*status.ReadyToUse || status.BoundVolumeSnapshotContentName == nil {
		return pipeline.Wait("TakingSnapshot", "VolumeSnapshot %s is not ready to use", snapshot.Name)
	}
	return v.judgeContent(snapshot, *status.BoundVolumeSnapshotContentName, seen.Now.Add(2*time.Second))
}

// judgeContent looks at what a snapshot is bound to.
func (v View) judgeContent(snapshot *snapshotv1.VolumeSnapshot, name string, again time.Time) pipeline.Verdict {
	content := v.Contents[name]
	switch {
	case content == nil:
		return pipeline.Wait("TakingSnapshot", "VolumeSnapshotContent %s is not seen yet", name).By(again)
	case content.Spec.VolumeSnapshotRef.UID != snapshot.UID:
		return pipeline.Fail("SnapshotForeign", "VolumeSnapshotContent %s belongs to another snapshot than %s",
			content.Name, snapshot.Name)
	case content.Status == nil || content.Status.SnapshotHandle == nil || *content.Status.SnapshotHandle == "":
		return pipeline.Wait("TakingSnapshot", "VolumeSnapshotContent %s has no handle yet", name).By(again)
	}
	return pipeline.Pass("VolumeSnapshot %s", snapshot.Name)
}

// snapshotCopy pins the snapshot by UID, with the size that a clone needs.
func (v View) snapshotCopy(p place, s *snapshotv1.VolumeSnapshot, now time.Time) v1alpha1.BackupCopy {
	claim := v.Claims[p.volume]
	capacity := claim.Status.Capacity.Storage()
	c := p.begin()
	c.Consistency, c.Taken, c.Bytes = "Crash", metav1.NewTime(now), capacity.Value()
	if s.Status.CreationTime != nil {
		c.Taken = *s.Status.CreationTime
	}
	c.Snapshot = &v1alpha1.SnapshotRef{
		Name: s.Name, UID: string(s.UID), ClaimName: claim.Name,
		StorageClassName: *claim.Spec.StorageClassName, Capacity: capacity.String(),
	}
	return c
}
