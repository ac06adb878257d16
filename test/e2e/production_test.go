// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/proof"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// siteData lets the LMS count and hash.
func siteData(t *testing.T, ns string) proof.Data {
	t.Helper()
	log, err := admin.InSite(t.Context(), ns, "stats", "--json", "--hash-files")
	if err != nil {
		t.Fatal(err)
	}
	data, err := proof.ReadData(log)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// original is the data before the go-live; the rollback must bring it back.
var original proof.Data

// failing is the story of a plan after the first: half-way through its
// migration the go-live fails, and the site goes back by itself.
func failing(t *testing.T, ns string) {
	misbehave(t, ns, "") // the first plan's fault
	plan := newPlan(ns, "campus-2-0-again", "2.0", image)
	plan.Spec.Stakeholders.Channels = []string{channel}
	apply(t, plan)
	awaitStep(t, 12*time.Minute, plan, v1alpha1.StepTest, v1alpha1.StepPassed)
	before := siteData(t, ns)
	misbehave(t, ns, brokenHop)
	agree(t, plan)
	failed := awaitStep(t, 10*time.Minute, plan, v1alpha1.StepGoLive, v1alpha1.StepFailed)
	has(t, failed.Message, "Hops", "rolled back", "1.0")
	if state := plan.Status.Summary.State; state != v1alpha1.PlanRolledBack {
		t.Errorf("the plan is %s", state)
	}
	now := siteData(t, ns)
	if diff := before.Differences(now); now.Release != "1.0" || len(diff) > 0 {
		t.Errorf("the site is at %s after a failed go-live: %s", now.Release, strings.Join(diff, "; "))
	}
	if n := replicas(t, ns); n != 2 {
		t.Errorf("want 2 pods of campus-web as before, got %d", n)
	}
	told(t, heard, v1alpha1.StepGoLive, "Failed")
}

// agree gives the plan a window, and the approval of a second person.
func agree(t *testing.T, plan *v1alpha1.UpgradePlan) {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now, layout := time.Now().In(zone), "2006-01-02T15:04"
	err = edit(t.Context(), planner, plan, func(p *v1alpha1.UpgradePlan) {
		p.Spec.Rollout.Window = &v1alpha1.Window{Opens: now.Add(-time.Minute).Format(layout), Closes: now.Add(5 * time.Hour).Format(layout)}
	})
	if err != nil {
		t.Fatal(err)
	}
	gate := awaitGate(t, 2*time.Minute, plan, func(g v1alpha1.GateStatus) bool {
		return g.State == v1alpha1.GateWaiting && g.Digest != ""
	})
	decision := approve(plan, gate.Digest)
	if err := owner.Create(t.Context(), decision); err != nil {
		t.Fatal(err)
	}
	if decision.Spec.Approver != "owner" {
		t.Errorf("want the approver stamped as owner, got %q", decision.Spec.Approver)
	}
}

func goLive(t *testing.T, ns string) {
	plan := campusPlan(ns)
	original = siteData(t, ns)
	misbehave(t, ns, slowHop)
	door, dead := watchDoor(t, ns), deadFor(t)
	agree(t, plan)
	ordered := awaitGoLive(t, 2*time.Minute, plan)
	pulled := pullThePlug(within(t, dead+12*time.Minute), t, ordered, dead)
	awaitStep(t, dead+12*time.Minute, plan, v1alpha1.StepGoLive, v1alpha1.StepPassed)
	if names := <-pulled; len(names) != len(plugs) {
		t.Errorf("the operator was killed at %q only", names)
	}
	seen := door()
	if wrong := seen.Objections("1.0", "2.0"); len(wrong) > 0 {
		t.Errorf("users saw what they should not: %s", strings.Join(wrong, "; "))
	}
	if shut := seen.Outage("1.0", "2.0"); shut < dead {
		t.Errorf("shut out for %s, and nobody kept the site for %s of it", shut, dead)
	}
	now2 := siteData(t, ns)
	if now2.Release != "2.0" {
		t.Errorf("want the site at 2.0, it is at %s", now2.Release)
	}
	if diff := original.Differences(now2); len(diff) > 0 {
		t.Errorf("go-live changed data: %s", strings.Join(diff, "; "))
	}
	if n := replicas(t, ns); n != 3 {
		t.Errorf("want 3 pods of campus-web while support lasts, got %d", n)
	}
	awaitStep(t, 5*time.Minute, plan, v1alpha1.StepCelebrate, v1alpha1.StepPassed)
	if n := replicas(t, ns); n != 2 {
		t.Errorf("want 2 pods of campus-web as before, got %d", n)
	}
	told(t, heard, v1alpha1.StepGoLive, "Passed", "2.0")
}

func rollback(t *testing.T, ns string) {
	plan := campusPlan(ns)
	awaitStep(t, time.Minute, plan, v1alpha1.StepGoLive, v1alpha1.StepPassed)
	if _, err := admin.Witness(t.Context(), ns, "post", "http://campus-web."+ns+".svc", "student0001"); err != nil {
		t.Fatal(err)
	}
	held := wayBack(ns, "held", plan.Status.GoLive)
	if err := planner.Create(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	refusedFor(t, held, "NoWayBack", "campus-install", "campus-files")
	remove(within(t, time.Minute), t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "campus-install"}})
	was := volumeOf(t, ns, "campus-files")

	back := wayBack(ns, "back", plan.Status.GoLive)
	if err := planner.Create(t.Context(), back); err != nil { // who asks for it does not confirm its price
		t.Fatal(err)
	}
	paid := false
	if _, err := world.Await(within(t, 10*time.Minute), admin, back, paysFor(t, ns, &paid)); err != nil {
		t.Fatal(err)
	}
	if !paid {
		t.Error("nobody was asked to confirm the loss of a post")
	}
	now := siteData(t, ns)
	if now.Release != "1.0" {
		t.Errorf("want the site at 1.0, it is at %s", now.Release)
	}
	if diff := original.Differences(now); len(diff) > 0 {
		t.Errorf("the rollback did not bring the data back: %s", strings.Join(diff, "; "))
	}
	if volumeOf(t, ns, "campus-files") == was {
		t.Error("claim campus-files still has the volume that it had")
	}
	if kept := volumeOf(t, ns, "campus-files-replaced-"+string(back.UID)[:8]); kept != was {
		t.Errorf("want volume %s kept, the claim made for it has %s", was, kept)
	}
}

// paysFor waits for a rollback, and agrees to its price once.
func paysFor(t *testing.T, ns string, paid *bool) func(*v1alpha1.Rollback) (string, error) {
	return func(b *v1alpha1.Rollback) (string, error) {
		for _, c := range b.Status.Conditions {
			switch {
			case c.Type == v1alpha1.SucceededCondition && c.Status == metav1.ConditionTrue:
				return "", nil
			case c.Type == v1alpha1.WaitingCondition && c.Status == metav1.ConditionTrue && b.Status.Price != nil && !*paid:
				if *paid = true; b.Status.Price.Rows == 0 {
					t.Error("a post was written, and going back costs nothing")
				}
				return "the price is paid", owner.Create(t.Context(), &v1alpha1.UpgradeApproval{
					ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "price-"},
					Spec: v1alpha1.UpgradeApprovalSpec{
						RollbackRef: &v1alpha1.LocalRef{Name: b.Name}, Gate: v1alpha1.GateDataLoss,
						Digest: b.Status.Price.Digest, Decision: v1alpha1.DecisionApprove,
					},
				})
			}
		}
		for _, s := range b.Status.Steps {
			if s.State == v1alpha1.StepRunning || s.State == v1alpha1.StepWaiting || s.State == v1alpha1.StepFailed {
				return s.Name + " is " + string(s.State) + ": " + s.Message, nil
			}
		}
		return "it has not begun", nil
	}
}

// wayBack asks for the way back from a go-live, with database and files.
func wayBack(ns, name, goLive string) *v1alpha1.Rollback {
	return &v1alpha1.Rollback{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: v1alpha1.RollbackSpec{
			SiteRef: v1alpha1.LocalRef{Name: world.Site}, Files: v1alpha1.RestoreFiles,
			To: v1alpha1.RollbackTarget{GoLiveRef: &v1alpha1.LocalRef{Name: goLive}},
		},
	}
}

// refusedFor checks that a rollback ended without touching anything.
func refusedFor(t *testing.T, back *v1alpha1.Rollback, reason string, words ...string) {
	t.Helper()
	var end metav1.Condition
	_, err := world.Await(within(t, 2*time.Minute), admin, back, func(b *v1alpha1.Rollback) (string, error) {
		for _, c := range b.Status.Conditions {
			if c.Type == v1alpha1.SucceededCondition && c.Status == metav1.ConditionFalse {
				end = c
				return "", nil
			}
		}
		return "it goes on", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if end.Reason != reason {
		t.Errorf("want %s, got %s", reason, end.Reason)
	}
	has(t, end.Message, words...)
}

// volumeOf gives the volume behind a claim.
func volumeOf(t *testing.T, ns, name string) string {
	t.Helper()
	var claim corev1.PersistentVolumeClaim
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, &claim); err != nil {
		t.Fatal(err)
	}
	if claim.Status.Phase != corev1.ClaimBound {
		t.Errorf("claim %s is %s", name, claim.Status.Phase)
	}
	return claim.Spec.VolumeName
}

// replicas of the web workload.
func replicas(t *testing.T, ns string) int32 {
	t.Helper()
	var web appsv1.Deployment
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "campus-web"}, &web); err != nil {
		t.Fatal(err)
	}
	return *web.Spec.Replicas
}

// awaitGoLive gives the name of the go-live that the plan orders.
func awaitGoLive(t *testing.T, limit time.Duration, plan *v1alpha1.UpgradePlan) client.ObjectKey {
	t.Helper()
	_, err := world.Await(within(t, limit), admin, plan, func(p *v1alpha1.UpgradePlan) (string, error) {
		if p.Status.GoLive == "" {
			return "no go-live is ordered", nil
		}
		plan.Status.GoLive = p.Status.GoLive
		return "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return client.ObjectKey{Namespace: plan.Namespace, Name: plan.Status.GoLive}
}
