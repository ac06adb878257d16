// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// snapshot in a state, with the content that it names.
func takenSnapshot(change ...func(*snapshotv1.VolumeSnapshot, *snapshotv1.VolumeSnapshotContent)) (*snapshotv1.VolumeSnapshot, *snapshotv1.VolumeSnapshotContent) {
	instant := metav1.NewTime(noon.Add(-time.Minute))
	s := &snapshotv1.VolumeSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "nightly-snapshot", UID: "snapshot-1"},
		Status: &snapshotv1.VolumeSnapshotStatus{
			ReadyToUse: ptr.To(true), BoundVolumeSnapshotContentName: ptr.To("snapcontent-1"), CreationTime: &instant,
		},
	}
	c := &snapshotv1.VolumeSnapshotContent{
		ObjectMeta: metav1.ObjectMeta{Name: "snapcontent-1"},
		Status:     &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: ptr.To("handle-1")},
	}
	c.Spec.VolumeSnapshotRef.UID = s.UID
	for _, f := range change {
		f(s, c)
	}
	return s, c
}

func TestSnapshotIsBelievedWhenDriverAndContentSaySo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*snapshotv1.VolumeSnapshot, *snapshotv1.VolumeSnapshotContent)
		reason string
		state  v1alpha1.StepState
	}{
		"ready": {func(*snapshotv1.VolumeSnapshot, *snapshotv1.VolumeSnapshotContent) {}, "Passed", v1alpha1.StepPassed},
		"the controller has not looked": {
			func(s *snapshotv1.VolumeSnapshot, _ *snapshotv1.VolumeSnapshotContent) { s.Status = nil },
			"TakingSnapshot", v1alpha1.StepRunning},
		"not ready to use": {
			func(s *snapshotv1.VolumeSnapshot, _ *snapshotv1.VolumeSnapshotContent) {
				s.Status.ReadyToUse = ptr.To(false)
			},
			"TakingSnapshot", v1alpha1.StepRunning},
		"an error of the driver": {
			func(s *snapshotv1.VolumeSnapshot, _ *snapshotv1.VolumeSnapshotContent) {
				s.Status.Error = &snapshotv1.VolumeSnapshotError{Message: ptr.To("pool is full")}
			}, "SnapshotError", v1alpha1.StepRunning},
		"ready and bound to nothing": {
			func(s *snapshotv1.VolumeSnapshot, _ *snapshotv1.VolumeSnapshotContent) {
				s.Status.BoundVolumeSnapshotContentName = nil
			},
			"TakingSnapshot", v1alpha1.StepRunning},
		"a content that was not seen": {
			func(_ *snapshotv1.VolumeSnapshot, c *snapshotv1.VolumeSnapshotContent) { c.Name = "another" },
			"TakingSnapshot", v1alpha1.StepRunning},
		"a content of another snapshot": {
			func(_ *snapshotv1.VolumeSnapshot, c *snapshotv1.VolumeSnapshotContent) {
				c.Spec.VolumeSnapshotRef.UID = "stranger"
			},
			"SnapshotForeign", v1alpha1.StepFailed},
		"a content without a handle": {
			func(_ *snapshotv1.VolumeSnapshot, c *snapshotv1.VolumeSnapshotContent) { c.Status.SnapshotHandle = nil },
			"TakingSnapshot", v1alpha1.StepRunning},
	} {
		t.Run(name, func(t *testing.T) {
			s, content := takenSnapshot(c.change)
			v := campus(t)
			v.Contents[content.Name] = content
			got := snapshotDatabase.Judge(v, key("snapshots"), sees(s))
			if got.State != c.state || got.Reason != c.reason {
				t.Errorf("got %s %s: %s", got.State, got.Reason, got.Message)
			}
			snapshotDatabase.Record(v, key("snapshots"), sees(s))
			if recorded := len(v.Backup.Status.Copies) == 1; recorded != (c.state == v1alpha1.StepPassed) {
				t.Errorf("recorded: %v", recorded)
			}
		})
	}
}

func TestSnapshotIsPinned(t *testing.T) {
	s, content := takenSnapshot()
	v := campus(t)
	v.Contents[content.Name] = content
	snapshotFiles.Record(v, key("snapshots.files"), sees(s))
	want := []v1alpha1.BackupCopy{{
		Location: "snapshots", FailureDomain: "storage", Holds: v1alpha1.HoldsFiles, Volume: "files",
		// The size is that of the live volume, not the 1Gi that was once asked for.
		Snapshot: &v1alpha1.SnapshotRef{
			Name: "nightly-snapshot", UID: "snapshot-1", ClaimName: "campus-files", StorageClassName: "fast", Capacity: "300Gi",
		},
		Consistency: "Crash", Bytes: 300 << 30, Taken: *s.Status.CreationTime,
	}}
	if diff := cmp.Diff(want, v.Backup.Status.Copies); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotIsMarkedAndOutlivesEverything(t *testing.T) {
	v := campus(t)
	s := snapshotDatabase.Create(v, key("snapshots"))[0].(*snapshotv1.VolumeSnapshot)
	if *s.Spec.Source.PersistentVolumeClaimName != "data-campus-db-0" || *s.Spec.VolumeSnapshotClassName != "fast" {
		t.Errorf("spec: %+v", s.Spec)
	}
	if s.Labels[v1alpha1.PlanUIDLabel] != planUID || len(s.OwnerReferences) > 0 {
		t.Errorf("metadata: %+v", s.ObjectMeta)
	}
	if again := snapshotDatabase.Create(v, key("snapshots"))[0]; !cmp.Equal(again, s) {
		t.Error("asked twice, two answers")
	}
}

func TestDumpIsRecordedWithItsFigures(t *testing.T) {
	v := campus(t)
	dump.Record(v, key("vault"), jobSaid(pipeline.JobSucceeded, dumpFacts()))
	status := v.Backup.Status
	taken := metav1.NewTime(time.Date(2026, 9, 23, 11, 57, 30, 0, time.UTC))
	want := v1alpha1.SiteBackupStatus{
		Copies: []v1alpha1.BackupCopy{{
			Location: "vault", FailureDomain: "vault", Holds: v1alpha1.HoldsDatabase, Volume: "database",
			Path: "campus-database/nightly-dump-vault-1-0b4cdd3e", Digest: "sha256:aa11", Bytes: 4096, Consistency: "Logical", Taken: taken,
		}},
		Counts:  []v1alpha1.Count{{Name: "posts", Value: "90 | 12"}, {Name: "users", Value: "1200"}},
		Version: "1.0", DatabaseVersion: "PostgreSQL 15.18", Taken: &taken,
	}
	if diff := cmp.Diff(want, status); diff != "" {
		t.Error(diff)
	}
	dir, name := DumpPath("/mnt", status.Copies[0])
	if dir != "/mnt/campus-database" || name != "nightly-dump-vault-1-0b4cdd3e" {
		t.Errorf("found at %s %s", dir, name)
	}
}

// A claim that waits for its first consumer has its volume only when something was written.
func TestACopyThatWouldGoWithItsClaimIsNone(t *testing.T) {
	goes := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete}}
	restored, copied := map[string]string{"verify-dump.sha256": "aa11"}, map[string]string{"hash-rest.digest": "cc33"}
	for name, step := range map[string]func(View) pipeline.Verdict{
		"dump": func(v View) pipeline.Verdict {
			dump.Record(v, key("vault"), jobSaid(pipeline.JobSucceeded, dumpFacts()))
			return verifyDump.Judge(v, key("vault"), jobSaid(pipeline.JobSucceeded, restored))
		},
		"files": func(v View) pipeline.Verdict {
			return copyFiles.Judge(v, key("vault.files"), jobSaid(pipeline.JobSucceeded, copied))
		},
	} {
		v := campus(t)
		v.Kept["vault"] = goes
		if got := step(v); got.State != v1alpha1.StepWaiting || got.Reason != "BackupNotKept" || got.Until.IsZero() {
			t.Errorf("%s: %+v", name, got)
		}
		delete(v.Kept, "vault")
		if got := step(v); got.State != v1alpha1.StepRunning || got.Until.IsZero() {
			t.Errorf("%s: nobody has seen the volume yet, and it is %+v", name, got)
		}
	}
}

func TestJobsAreJudgedByWhatTheySaid(t *testing.T) {
	copied := map[string]string{"copy-filedir.files": "7", "copy-rest.files": "2", "copy-filedir.bytes": "70", "copy-rest.bytes": "5", "hash-rest.digest": "cc33"}
	for name, c := range map[string]struct {
		step   pipeline.Step[View]
		key    string
		seen   pipeline.Seen
		reason string
		state  v1alpha1.StepState
	}{
		"a dump":                  {dump, "vault", jobSaid(pipeline.JobSucceeded, dumpFacts()), "Passed", v1alpha1.StepPassed},
		"a dump without a digest": {dump, "vault", jobSaid(pipeline.JobSucceeded, nil), "NoResult", v1alpha1.StepFailed},
		"a dump that failed":      {dump, "vault", jobSaid(pipeline.JobFailed, nil), "NotEnoughSpace", v1alpha1.StepFailed},
		"a dump that runs":        {dump, "vault", pipeline.Seen{}, "Dumping", v1alpha1.StepRunning},
		"a dump of a location that is gone": {
			dump, "attic", pipeline.Seen{}, "LocationGone", v1alpha1.StepFailed},
		"a restore": {
			verifyDump, "vault", jobSaid(pipeline.JobSucceeded, map[string]string{"verify-dump.sha256": "aa11"}), "Passed", v1alpha1.StepPassed},
		"a restore of another dump": {
			verifyDump, "vault", jobSaid(pipeline.JobSucceeded, map[string]string{"verify-dump.sha256": "bb22"}), "HashMismatch", v1alpha1.StepFailed},
		"a restore that failed":  {verifyDump, "vault", jobSaid(pipeline.JobFailed, nil), "NotEnoughSpace", v1alpha1.StepFailed},
		"files":                  {copyFiles, "vault.files", jobSaid(pipeline.JobSucceeded, copied), "Passed", v1alpha1.StepPassed},
		"files without a digest": {copyFiles, "vault.files", jobSaid(pipeline.JobSucceeded, nil), "NoResult", v1alpha1.StepFailed},
		"files that failed":      {copyFiles, "vault.files", jobSaid(pipeline.JobFailed, copied), "NotEnoughSpace", v1alpha1.StepFailed},
	} {
		t.Run(name, func(t *testing.T) {
			v := campus(t)
			dumped := v1alpha1.BackupCopy{Location: "vault", Volume: "database", Digest: "sha256:aa11"}
			v.Backup.Status.Copies = []v1alpha1.BackupCopy{dumped}
			got := c.step.Judge(v, key(c.key), c.seen)
			if got.State != c.state || got.Reason != c.reason {
				t.Errorf("got %s %s: %s", got.State, got.Reason, got.Message)
			}
			if c.state == v1alpha1.StepPassed || c.state == v1alpha1.StepRunning {
				return
			}
			c.step.Record(v, key(c.key), c.seen)
			if diff := cmp.Diff([]v1alpha1.BackupCopy{dumped}, v.Backup.Status.Copies); diff != "" {
				t.Errorf("a failure was recorded as a copy: %s", diff)
			}
		})
	}
}

func TestFilesAreRecordedAsHashedAgain(t *testing.T) {
	v := campus(t)
	copyFiles.Record(v, key("vault.files"), jobSaid(pipeline.JobSucceeded, map[string]string{
		"copy-filedir.bytes": "70", "copy-rest.bytes": "5", "hash-filedir.bytes": "900", "hash-rest.digest": "cc33",
	}))
	want := []v1alpha1.BackupCopy{{
		Location: "vault", FailureDomain: "vault", Holds: v1alpha1.HoldsFiles, Volume: "files",
		Path: "campus-files/nightly-files-vault-files-1-0b4cdd3e", Base: "campus-files/base/files",
		Digest: "sha256:cc33", Bytes: 75, Consistency: "Crash", Taken: metav1.NewTime(noon.Add(-3 * time.Minute)),
		Verified: &metav1.Time{Time: noon},
	}}
	if diff := cmp.Diff(want, v.Backup.Status.Copies); diff != "" {
		t.Error(diff)
	}
}

func TestARestoreVerifiesTheDumpAlone(t *testing.T) {
	v := campus(t)
	v.Backup.Status.Copies = []v1alpha1.BackupCopy{
		{Location: "snapshots", Volume: "database"}, {Location: "vault", Volume: "database", Digest: "sha256:aa11"}, {Location: "vault", Volume: "files"},
	}
	verifyDump.Record(v, key("vault"), jobSaid(pipeline.JobSucceeded, map[string]string{"verify-dump.sha256": "aa11"}))
	for _, c := range v.Backup.Status.Copies {
		if verified := c.Verified != nil; verified != (c.Digest != "") {
			t.Errorf("%s in %s verified: %v", c.Volume, c.Location, verified)
		}
	}
	if took := v.Backup.Status.Copies[1].TookRestore; took == nil || took.Duration != 2*time.Minute {
		t.Errorf("the restore took %v", took)
	}
}
