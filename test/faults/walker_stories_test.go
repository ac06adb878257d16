// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// story is how a kind is told to the operator.
type story struct {
	// kinds whose reconcilers work.
	kinds []string
	// good makes what an object of the kind needs, and gives one as people write it.
	good func(*world.World) client.Object
	// beside makes what an object of this name needs for itself alone.
	beside func(w *world.World, name string, spec map[string]any)
	// told gives the object whose conditions say how it stands.
	told func(name string) (string, run)
}

// stories by kind. A new kind needs one.
var stories = map[string]story{
	"Site": {kinds: []string{"Site"}, good: campus,
		told: func(name string) (string, run) { return name, &v1alpha1.Site{} }},
	"SiteBackup": {kinds: []string{"SiteBackup"}, good: func(w *world.World) client.Object { return backup(w) },
		told: func(name string) (string, run) { return name, &v1alpha1.SiteBackup{} }},
	"StagingEnvironment": {kinds: []string{"StagingEnvironment"}, good: staging,
		told: func(name string) (string, run) { return name, &v1alpha1.StagingEnvironment{} }},
	"TrialUpgrade": {kinds: []string{"TrialUpgrade"}, good: aTrial,
		told: func(name string) (string, run) { return name, &v1alpha1.TrialUpgrade{} }},
	"Rollback": {kinds: []string{"Rollback"}, good: aRollback,
		told: func(name string) (string, run) { return name, &v1alpha1.Rollback{} }},
	"UpgradePlan": {kinds: plans, good: aPlan, beside: siteOfItsOwn,
		told: func(name string) (string, run) { return name, &v1alpha1.UpgradePlan{} }},
	"UpgradeApproval": {kinds: plans, good: anApproval,
		told: func(string) (string, run) { return "autumn", &v1alpha1.UpgradePlan{} }},
	"GoLive": {good: aGoLive},
}

func campus(w *world.World) client.Object {
	site := &v1alpha1.Site{}
	w.Get("campus", site)
	return &v1alpha1.Site{ObjectMeta: w.Meta("good"), Spec: site.Spec}
}

// noDigest is the digest of nothing that anybody waits for.
var noDigest = "sha256:" + strings.Repeat("0", 64)

var local = v1alpha1.LocalRef{Name: "campus"}

func hop() v1alpha1.UpgradeSpec {
	return v1alpha1.UpgradeSpec{From: "1.0", Hops: []v1alpha1.Hop{{From: "1.0", To: "2.0"}},
		Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}}
}

// saved makes the backup that copies are made of, as if it had been verified.
func saved(w *world.World) v1alpha1.LocalRef {
	w.Create(backup(w))
	w.Tick()
	return v1alpha1.LocalRef{Name: "backup"}
}

func staging(w *world.World) client.Object {
	return &v1alpha1.StagingEnvironment{ObjectMeta: w.Meta("good"), Spec: v1alpha1.StagingEnvironmentSpec{
		SiteRef: local, BackupRef: saved(w), Purpose: v1alpha1.PurposeStaging}}
}

func aTrial(w *world.World) client.Object {
	return &v1alpha1.TrialUpgrade{ObjectMeta: w.Meta("good"), Spec: v1alpha1.TrialUpgradeSpec{
		SiteRef: local, BackupRef: saved(w), Upgrade: hop()}}
}

func aRollback(w *world.World) client.Object {
	site := &v1alpha1.Site{}
	w.Get("campus", site)
	site.Status.Version = "1.0"
	w.Must(w.As(world.Manager).Status().Update(w.Context(), site))
	w.Outcomes["-price"] = world.Finds("1.0", 112)
	ref := saved(w)
	return &v1alpha1.Rollback{ObjectMeta: w.Meta("good"), Spec: v1alpha1.RollbackSpec{
		SiteRef: local, Files: v1alpha1.KeepInPlace, To: v1alpha1.RollbackTarget{BackupRef: &ref}}}
}

func aPlan(w *world.World) client.Object {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta("good"), Spec: v1alpha1.UpgradePlanSpec{SiteRef: local,
		Target: v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}}}}
	window(w, plan)
	w.Outcomes["-review"] = world.Finds("1.0", 100)
	return plan
}

// siteOfItsOwn: plans of one site wait for each other.
func siteOfItsOwn(w *world.World, name string, spec map[string]any) {
	ref, ok := spec["siteRef"].(map[string]any)
	if !ok || ref["name"] != local.Name {
		return
	}
	site := campus(w).(*v1alpha1.Site)
	site.Name = "of-" + name
	ref["name"] = site.Name
	w.Must(client.IgnoreAlreadyExists(w.Person.Create(w.Context(), site)))
}

func anApproval(w *world.World) client.Object {
	plan := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, plan) != "" })
	return &v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("good"), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: "autumn"}, Gate: v1alpha1.GateGoLive, Digest: noDigest,
		Decision: v1alpha1.DecisionApprove}}
}

func aGoLive(w *world.World) client.Object {
	closes := metav1.NewTime(w.Clock.Now())
	return &v1alpha1.GoLive{ObjectMeta: w.Meta("good"), Spec: v1alpha1.GoLiveSpec{SiteRef: local, Digest: noDigest,
		PlanRef: v1alpha1.PlanRef{Name: "plan"}, BackupRef: v1alpha1.LocalRef{Name: "backup"}, Closes: &closes,
		Upgrade: hop()}}
}
