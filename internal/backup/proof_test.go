// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// snapshotted is a view whose snapshots are taken and stored.
func snapshotted(t *testing.T) View {
	v := campus(t)
	for _, volume := range []string{"database", "files"} {
		v.Backup.Status.Copies = append(v.Backup.Status.Copies, v1alpha1.BackupCopy{
			Location: "snapshots", FailureDomain: "storage", Volume: volume, Snapshot: &v1alpha1.SnapshotRef{UID: "uid-" + volume},
		})
	}
	v.Stored = v.Backup.Status.Copies
	return v
}

func proofEnv(conditions ...metav1.Condition) *v1alpha1.StagingEnvironment {
	return &v1alpha1.StagingEnvironment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "nightly-proof", UID: "env-1"},
		Status: v1alpha1.StagingEnvironmentStatus{
			Conditions: conditions, Namespace: "campus-copy", Version: "1.0", Before: []v1alpha1.Count{{Name: "users", Value: "1200"}},
			Parts: []v1alpha1.TimedPart{{Name: "recover database", Measured: &metav1.Duration{Duration: 40 * time.Second}}},
		},
	}
}

func condition(kind string, status metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "because of " + reason}
}

func TestProofIsJudgedByItsCopy(t *testing.T) {
	ready := condition(v1alpha1.ReadyCondition, metav1.ConditionTrue, "Serving")
	blocked := condition(v1alpha1.StalledCondition, metav1.ConditionTrue, v1alpha1.NameConflictReason)
	for name, c := range map[string]struct {
		env    *v1alpha1.StagingEnvironment
		change func(*View)
		state  v1alpha1.StepState
		reason string
	}{
		"the copy stands":      {proofEnv(ready), nil, v1alpha1.StepPassed, "Passed"},
		"the copy was made":    {nil, nil, v1alpha1.StepRunning, "ProvingSnapshots"},
		"the copy says naught": {proofEnv(), nil, v1alpha1.StepRunning, "ProvingSnapshots"},
		"the copy works": {
			proofEnv(condition(v1alpha1.ReadyCondition, metav1.ConditionFalse, "Working")), nil, v1alpha1.StepRunning, "ProvingSnapshots"},
		"the copy stalled": {
			proofEnv(condition(v1alpha1.StalledCondition, metav1.ConditionTrue, "BlobMissing"),
				condition(v1alpha1.ReadyCondition, metav1.ConditionFalse, "BlobMissing")),
			nil, v1alpha1.StepFailed, "BlobMissing"},
		"a stranger is in its way": {proofEnv(blocked), nil, v1alpha1.StepWaiting, v1alpha1.NameConflictReason},
		"a stranger is in its way, and users are shut out": {
			proofEnv(blocked), func(v *View) { v.Backup.Labels = map[string]string{v1alpha1.OwnerKindLabel: "GoLive"} },
			v1alpha1.StepFailed, v1alpha1.NameConflictReason},
		"the copy is being deleted": {
			func() *v1alpha1.StagingEnvironment {
				env := proofEnv(ready)
				env.DeletionTimestamp = &metav1.Time{Time: noon}
				return env
			}(), nil, v1alpha1.StepFailed, "ProofGone"},
		"the snapshots are not stored yet": {
			proofEnv(ready), func(v *View) { v.Stored = v.Stored[:1] }, v1alpha1.StepRunning, "ProvingSnapshots"},
		"the database is cloned by dump": {
			nil, func(v *View) { v.Site.Spec.Database.Clone.Method = v1alpha1.CloneDump }, v1alpha1.StepSkipped, "NotProvable"},
		"no location keeps snapshots": {
			nil, func(v *View) { v.Backup.Spec.Locations = []string{"vault"} }, v1alpha1.StepSkipped, "NoSnapshots"},
	} {
		t.Run(name, func(t *testing.T) {
			v := snapshotted(t)
			if c.change != nil {
				c.change(&v)
			}
			seen := pipeline.Seen{Now: noon}
			if c.env != nil {
				seen = sees(c.env)
			}
			got := verifySnapshots.Judge(v, key(""), seen)
			if got.State != c.state || got.Reason != c.reason {
				t.Errorf("got %s %s: %s", got.State, got.Reason, got.Message)
			}
			verifySnapshots.Record(v, key(""), seen)
			for _, copied := range v.Backup.Status.Copies {
				if (copied.Verified != nil) != (c.state == v1alpha1.StepPassed) {
					t.Errorf("%s verified: %v", copied.Volume, copied.Verified)
				}
			}
		})
	}
}

func TestProofWaitsUntilOthersCanReadTheSnapshots(t *testing.T) {
	v := snapshotted(t)
	v.Stored = v.Stored[:1]
	if made := verifySnapshots.Create(v, key("")); len(made) > 0 {
		t.Error("the copy would be made of the snapshots that happen to be stored")
	}
	v.Stored = v.Backup.Status.Copies
	made := verifySnapshots.Create(v, key(""))
	if len(made) != 1 {
		t.Fatal("no copy is made")
	}
	env := made[0].(*v1alpha1.StagingEnvironment)
	if env.Spec.Purpose != v1alpha1.PurposeScratch || env.Spec.BackupRef.Name != "nightly" || env.Spec.Upgrade != nil ||
		env.Name != "nightly-proof-1-0b4cdd3e" {
		t.Errorf("made %s: %+v", env.Name, env.Spec)
	}
}

func TestOnlyWhatWasComparedIsProven(t *testing.T) {
	v := snapshotted(t)
	other := v.Site.Spec.Volumes[0]
	other.Name = "repository"
	v.Site.Spec.Volumes = append(v.Site.Spec.Volumes, other)
	v.Backup.Status.Copies = append(v.Backup.Status.Copies, v1alpha1.BackupCopy{
		Location: "snapshots", Volume: "repository", Snapshot: &v1alpha1.SnapshotRef{UID: "uid-repository"}})
	v.proven(proofEnv(), noon)
	for i, want := range []bool{true, true, false} {
		if c := v.Backup.Status.Copies[i]; (c.Verified != nil) != want {
			t.Errorf("%s verified: %v", c.Volume, c.Verified)
		}
	}
	if took := v.Backup.Status.Copies[0].TookRestore; took == nil || took.Duration != 40*time.Second {
		t.Errorf("the recovery took %v", took)
	}
	if v.Backup.Status.Version != "1.0" || len(v.Backup.Status.Counts) != 1 {
		t.Errorf("without a dump, version and counts come from the copy: %+v", v.Backup.Status)
	}
}

func TestVerdictOfABackup(t *testing.T) {
	proven := func(volume, domain string) v1alpha1.BackupCopy {
		return v1alpha1.BackupCopy{Volume: volume, FailureDomain: domain, Verified: &metav1.Time{Time: noon}}
	}
	all := []v1alpha1.BackupCopy{proven("database", "a"), proven("database", "b"), proven("files", "a"), proven("files", "b")}
	for name, c := range map[string]struct {
		copies []v1alpha1.BackupCopy
		omit   bool
		proven bool
		says   string
	}{
		"two of everything":            {all, false, true, "4 copies"},
		"nothing":                      {nil, false, false, "database in 0 of 2, files in 0 of 2"},
		"files proven once":            {all[:3], false, false, "files in 1 of 2"},
		"both proofs in one domain":    {append(all[1:len(all):len(all)], proven("database", "b")), false, false, "database in 1 of 2"},
		"a copy that was not verified": {append(all[:3:3], v1alpha1.BackupCopy{Volume: "files", FailureDomain: "b"}), false, false, "files in 1 of 2"},
		"files that copies leave out":  {all[:2], true, true, "Omit: files"},
	} {
		t.Run(name, func(t *testing.T) {
			site := campusSite()
			if c.omit {
				site.Spec.Volumes[0].Clone.Method = v1alpha1.CloneOmit
			}
			ok, reason, message := Proof(site, &v1alpha1.SiteBackup{Status: v1alpha1.SiteBackupStatus{Copies: c.copies}})
			if ok != c.proven || !strings.Contains(message, c.says) || (reason == "RestoredAndCompared") != ok {
				t.Errorf("%v %s: %s", ok, reason, message)
			}
		})
	}
}

func TestRemovalKnowsEveryCopyOnce(t *testing.T) {
	v := campus(t)
	v.Backup.Status.Steps = []v1alpha1.StepStatus{
		{Name: "Dump", Children: []v1alpha1.ChildRef{{Kind: "Job", UID: "job"}}},
		{Name: "VerifySnapshots", Children: []v1alpha1.ChildRef{{Kind: "StagingEnvironment", UID: "second"}}},
	}
	for _, uid := range []string{"first", "second"} {
		env := proofEnv()
		env.UID = types.UID(uid)
		v.Environments = append(v.Environments, *env)
	}
	at := key("")
	if early := removeProof.Remove(v, at); len(early) > 0 {
		t.Errorf("removes %v before the verdict is persisted", early)
	}
	at.Entry.Reason = "RemovingProof"
	var uids []string
	for _, ref := range removeProof.Remove(v, at) {
		uids = append(uids, string(ref.UID))
	}
	if strings.Join(uids, " ") != "second first" {
		t.Errorf("removes %v", uids)
	}
}
