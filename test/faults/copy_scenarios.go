// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/test/faults/world"
)

var running = pipeline.JobOutcome{State: pipeline.JobRunning}

// stands says whether a step of a ledger is in one of these states.
func stands(ledger []v1alpha1.StepStatus, step string, states ...v1alpha1.StepState) bool {
	return slices.ContainsFunc(ledger, func(e v1alpha1.StepStatus) bool {
		return e.Name == step && slices.Contains(states, e.State)
	})
}

// tells says whether an object says a word of why it is not ready.
func tells(w *world.World, into run, name, word string) func() bool {
	return func() bool {
		return w.Get(name, into) && slices.ContainsFunc(*into.GetConditions(), func(c metav1.Condition) bool {
			return c.Type == v1alpha1.ReadyCondition && strings.Contains(c.Message, word)
		})
	}
}

func gone(w *world.World, object client.Object) func() bool {
	name := object.GetName()
	return func() bool { return !w.Get(name, object) }
}

// backupNeverReady: the driver never comes to the snapshots.
func backupNeverReady(w *world.World) {
	w.Slow = true
	w.Create(backup(w))
	b := &v1alpha1.SiteBackup{}
	w.Until("snapshots that wait", func() bool {
		return w.Get("backup", b) && stands(b.Status.Steps, "SnapshotDatabase", v1alpha1.StepRunning)
	})
	w.Mark()
	w.Clock.Step(20 * time.Minute)
	w.Until("a backup that failed", func() bool {
		return w.Get("backup", b) && meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.StalledCondition)
	})
}

// snapshotOf gives the snapshot of the files in the site's backup.
func snapshotOf(w *world.World) *snapshotv1.VolumeSnapshot {
	var all snapshotv1.VolumeSnapshotList
	w.List(&all)
	for i := range all.Items {
		if s := &all.Items[i]; *s.Spec.Source.PersistentVolumeClaimName == "files" {
			return s
		}
	}
	w.Stop("the backup has no snapshot of the files")
	return nil
}

// backupLost: a snapshot that was ready is lost before it was proven. The
// backup cannot be finished, and is deleted.
func backupLost(w *world.World) {
	w.Outcomes["-recover-"] = running
	w.Create(backup(w))
	b := &v1alpha1.SiteBackup{}
	w.Until("a proof that begins", func() bool {
		return w.Get("backup", b) && stands(b.Status.Steps, "VerifySnapshots", v1alpha1.StepRunning)
	})
	w.Mark()
	w.Lose(snapshotOf(w))
	w.Until("a copy that tells what it misses", tells(w, b, "backup", "content of VolumeSnapshot"))
	w.Remove(b)
	w.Until("no backup", gone(w, b))
}

// backupFull: a quota refuses the backup's Jobs, until there is room.
func backupFull(w *world.World) {
	w.Fill()
	w.Create(backup(w))
	w.Until("a backup that tells of the quota", tells(w, &v1alpha1.SiteBackup{}, "backup", "exceeded quota"))
	w.Clear()
	w.Until("a verified backup", ready(w, &v1alpha1.SiteBackup{}, "backup"))
}

// standing orders a copy of a verified backup.
func standing(w *world.World, change func(*v1alpha1.StagingEnvironment)) *v1alpha1.StagingEnvironment {
	w.Create(backup(w))
	w.Until("a verified backup", ready(w, &v1alpha1.SiteBackup{}, "backup"))
	w.Mark()
	env := &v1alpha1.StagingEnvironment{ObjectMeta: w.Meta("autumn"), Spec: v1alpha1.StagingEnvironmentSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, BackupRef: v1alpha1.LocalRef{Name: "backup"},
		Purpose: v1alpha1.PurposeStaging}}
	if change != nil {
		change(env)
	}
	w.Create(env)
	return env
}

// environment: a lasting copy is made of a backup, and deleted.
func environment(w *world.World) {
	env := standing(w, nil)
	w.Until("a copy", ready(w, env, "autumn"))
	w.Remove(env)
	w.Until("no copy", gone(w, env))
}

// environmentDeleted: it goes while its database is being recovered.
func environmentDeleted(w *world.World) {
	env := standing(w, nil)
	w.Outcomes["autumn-recover"] = running
	w.Until("a database that recovers", func() bool {
		return w.Get("autumn", env) && stands(env.Status.Steps, "RecoverDatabase", v1alpha1.StepRunning)
	})
	w.Mark()
	w.Remove(env)
	w.Until("no copy", gone(w, env))
}

// environmentDeletedEarly: it goes soon after it has a namespace, so that a cache that
// is half a minute old shows it when it began.
func environmentDeletedEarly(w *world.World) {
	env := standing(w, nil)
	w.Until("a namespace", func() bool {
		return w.Get("autumn", env) && stands(env.Status.Steps, "MakeNamespace", v1alpha1.StepPassed)
	})
	for range 3 {
		w.Tick()
	}
	w.Mark()
	w.Remove(env)
	w.Until("no copy", gone(w, env))
}

// environmentExpires: its day comes.
func environmentExpires(w *world.World) {
	expires := metav1.NewTime(w.Clock.Now().Add(24 * time.Hour).UTC().Truncate(time.Second))
	env := standing(w, func(e *v1alpha1.StagingEnvironment) { e.Spec.Expires = &expires })
	w.Until("a copy", ready(w, env, "autumn"))
	w.Mark()
	w.Clock.Step(24 * time.Hour)
	w.Until("no copy", gone(w, env))
}

// environmentLost: a snapshot of the backup is lost before it is cloned.
func environmentLost(w *world.World) {
	env := standing(w, nil)
	w.Lose(snapshotOf(w))
	w.Until("a copy that tells what it misses", tells(w, env, "autumn", "content of VolumeSnapshot"))
	w.Remove(env)
	w.Until("no copy", gone(w, env))
}

// trialSecondHopFails: the first hop holds, the second does not, and its log is kept.
func trialSecondHopFails(w *world.World) {
	breaks := world.Breaks("CountsDiffer")
	breaks.Documents = map[string][]byte{"run.log": []byte("the hop broke\n")}
	w.Outcomes["-hop-2-0"] = breaks
	t := rehearse(w, twoReleases...)
	w.Until("a trial that failed", func() bool {
		return w.Get("autumn", t) && meta.IsStatusConditionFalse(t.Status.Conditions, v1alpha1.PassedCondition)
	})
}

// trialDeleted: it goes while a hop runs, and its copy with it.
func trialDeleted(w *world.World) {
	w.Outcomes["-hop"] = running
	t := rehearse(w)
	w.Until("a hop that runs", func() bool {
		var all v1alpha1.StagingEnvironmentList
		w.List(&all)
		return slices.ContainsFunc(all.Items, func(e v1alpha1.StagingEnvironment) bool {
			return stands(e.Status.Steps, "Upgrade", v1alpha1.StepRunning)
		})
	})
	w.Mark()
	w.Remove(t)
	w.Until("no trial", gone(w, t))
}

// trial: every hop on a copy that is thrown away.
func trial(w *world.World) {
	t := rehearse(w)
	w.Until("a trial that passed", func() bool {
		return ready(w, t, "autumn")() && meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.PassedCondition)
	})
}

// trialFails: its copy is kept to look at, and goes in its time.
func trialFails(w *world.World) {
	w.Outcomes["-hop"] = world.Breaks("CountsDiffer")
	t := rehearse(w)
	w.Until("a hop that runs", func() bool {
		var copies v1alpha1.StagingEnvironmentList
		w.List(&copies)
		return slices.ContainsFunc(copies.Items, func(e v1alpha1.StagingEnvironment) bool {
			return stands(e.Status.Steps, "Upgrade", v1alpha1.StepRunning, v1alpha1.StepFailed)
		})
	})
	w.Mark()
	w.Until("a trial that failed", func() bool {
		return w.Get("autumn", t) && meta.IsStatusConditionFalse(t.Status.Conditions, v1alpha1.PassedCondition)
	})
	w.Clock.Step(time.Hour)
	w.Until("a copy that is gone", func() bool { return w.Get("autumn", t) && pipeline.Over(t.Status.Steps) })
}

// rehearse orders a trial of the way over releases; to 2.0 when none are given.
func rehearse(w *world.World, releases ...v1alpha1.Release) *v1alpha1.TrialUpgrade {
	if len(releases) == 0 {
		releases = []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}
	}
	w.Create(backup(w))
	w.Until("a verified backup", ready(w, &v1alpha1.SiteBackup{}, "backup"))
	w.Mark()
	t := &v1alpha1.TrialUpgrade{ObjectMeta: w.Meta("autumn"), Spec: v1alpha1.TrialUpgradeSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, BackupRef: v1alpha1.LocalRef{Name: "backup"},
		KeepOnFailure: &metav1.Duration{Duration: time.Hour},
		Upgrade:       v1alpha1.UpgradeSpec{From: "1.0", Hops: hops(releases), Releases: releases}}}
	w.Create(t)
	return t
}
