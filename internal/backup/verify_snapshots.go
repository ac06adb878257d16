// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// proofLimit ends a proof that goes nowhere; the Jobs in it have deadlines of their own.
const proofLimit = 8 * time.Hour

// verifySnapshots lets the snapshots come up in a closed namespace: the server
// recovers, rows are counted, and every file that the database names is hashed.
var verifySnapshots = pipeline.Step[View]{
	Name:        "VerifySnapshots",
	AgainIfLost: true,
	Needs:       []string{"SnapshotDatabase", "SnapshotFiles"},
	Timeout:     func(View) time.Duration { return proofLimit },
	Create: func(v View, where pipeline.At) []client.Object {
		if reason, _ := v.unprovable(); reason != "" || !v.stored() {
			return nil
		}
		return []client.Object{v.proof(where)}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if reason, message := v.unprovable(); reason != "" {
			return pipeline.Skip(reason, "%s", message)
		}
		return judgeProof(v, seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if reason, _ := v.unprovable(); reason != "" || judgeProof(v, seen).State != v1alpha1.StepPassed {
			return
		}
		env, _ := pipeline.First[*v1alpha1.StagingEnvironment](seen)
		v.proven(env, seen.Now)
	},
}

func judgeProof(v View, seen pipeline.Seen) pipeline.Verdict {
	if !v.stored() {
		return pipeline.Wait("ProvingSnapshots", "the snapshots are being recorded").By(seen.Now.Add(time.Second))
	}
	env, ok := pipeline.First[*v1alpha1.StagingEnvironment](seen)
	if !ok || env == nil {
		return pipeline.Wait("ProvingSnapshots", "making the copy in which the snapshots are proven")
	}
	stalled := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.StalledCondition)
	ready := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.ReadyCondition)
	wait := pipeline.InTheWay("StagingEnvironment", env)
	switch {
	case env.DeletionTimestamp != nil:
		return pipeline.Fail("ProofGone", "StagingEnvironment %s was deleted before the snapshots were proven", env.Name)
	case wait != nil && !v.shutsOut():
		return *wait
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		return pipeline.Fail(stalled.Reason, "StagingEnvironment %s: %s", env.Name, stalled.Message)
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return pipeline.Pass("cloned in %s: the server recovered, and every file that the database names is there",
			env.Status.Namespace)
	case ready != nil:
		return pipeline.Wait("ProvingSnapshots", "StagingEnvironment %s: %s", env.Name, ready.Message)
	}
	return pipeline.Wait("ProvingSnapshots", "StagingEnvironment %s starts", env.Name)
}

// shutsOut says whether the backup is of a site that is closed for it: users do not wait
// until a stranger's object is gone.
func (v View) shutsOut() bool {
	return v.Backup.Labels[v1alpha1.OwnerKindLabel] == (*v1alpha1.GoLive)(nil).OwnerKind()
}

// unprovable says why there is nothing that could come up.
func (v View) unprovable() (reason, message string) {
	switch {
	case len(v.databasePlaces(isSnapshot))+len(v.filePlaces(isSnapshot)) == 0:
		return "NoSnapshots", "no location keeps snapshots"
	case v.Site.Spec.Database.Clone.Method != v1alpha1.CloneVolumeSnapshot || len(v.databasePlaces(isSnapshot)) == 0:
		return "NotProvable", "snapshots are proven by a copy that runs on them, and there is no snapshot of the database " +
			"for it: it needs spec.database.clone.method VolumeSnapshot and a location with volumeSnapshot that holds Database"
	}
	return "", ""
}

// stored: the copy is made by another controller, which must find every
// snapshot in our status, not only those that were written by then.
func (v View) stored() bool {
	for _, places := range [][]place{v.databasePlaces(isSnapshot), v.filePlaces(isSnapshot)} {
		for _, p := range places {
			if c := copyAt(v.Stored, p); c == nil || c.Snapshot == nil {
				return false
			}
		}
	}
	return true
}

func (v View) proof(where pipeline.At) *v1alpha1.StagingEnvironment {
	return &v1alpha1.StagingEnvironment{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.Backup.Namespace, Name: v.name(where, "proof")},
		Spec: v1alpha1.StagingEnvironmentSpec{
			SiteRef: v.Backup.Spec.SiteRef, Purpose: v1alpha1.PurposeScratch, PlanRef: v.Backup.Spec.PlanRef,
			BackupRef: v1alpha1.LocalRef{Name: v.Backup.Name},
		},
	}
}

// proven marks what was really compared: the database, and the volume whose
// files the database names. A snapshot that only could be mounted stays unproven.
func (v View) proven(env *v1alpha1.StagingEnvironment, now time.Time) {
	for _, cloned := range environment.SourcesOf(v.Site, v.Backup) {
		if cloned.Volume != database && cloned.Volume != v.dataVolume() {
			continue
		}
		for i := range v.Backup.Status.Copies {
			c := &v.Backup.Status.Copies[i]
			if c.Snapshot == nil || c.Snapshot.UID != cloned.Snapshot.UID {
				continue
			}
			c.Verified = &metav1.Time{Time: now}
			if c.Volume == database {
				c.TookRestore = measured(env, "recover database")
			}
		}
	}
	status := &v.Backup.Status
	if len(status.Counts) == 0 {
		status.Counts = env.Status.Before
	}
	if status.Version == "" {
		status.Version = env.Status.Version
	}
}

func measured(env *v1alpha1.StagingEnvironment, part string) *metav1.Duration {
	for _, p := range env.Status.Parts {
		if p.Name == part {
			return p.Measured
		}
	}
	return nil
}
