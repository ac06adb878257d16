// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
	"github.com/gradus-lms/gradus/internal/notify"
)

const (
	image     = "localhost/campus:2.0"
	bareImage = "localhost/campus:2.0-bare"
)

// A Site may be written before what it names is there.
func TestSiteNamesWhatIsMissing(t *testing.T) {
	ns := namespace(t, "e2e-waits")
	if err := admin.Owner(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	plan := newPlan(ns, "early", "2.0", image)
	apply(t, plan)
	wait := awaitReason(t, 2*time.Minute, plan, v1alpha1.StepReviewSite, v1alpha1.SiteNotReadyReason)
	has(t, wait.Message, "Deployment campus-web", "spec.workloads[web].targetRef",
		"PersistentVolumeClaim campus-files", "spec.volumes[files].claimName")
}

// One site, one upgrade, and everything on the way that people do wrong.
func TestUpgrade(t *testing.T) {
	ns := namespace(t, "e2e-campus")
	namespace(t, witnesses)
	heard = listen(t)
	if err := admin.LiveSite(within(t, 8*time.Minute), ns, "campus-cron"); err != nil {
		t.Fatal(err)
	}
	if err := admin.Owner(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	stories := []struct {
		name string
		tell func(*testing.T, string)
		// time that a story of production may need.
		time time.Duration
	}{
		{"a plan waits for a Deployment and for Secrets and goes on when they appear", missingParts, 0},
		{"a target that is not newer blocks", notNewer, 0},
		{"a plugin missing from the target blocks until it is dropped", missingPlugin, 0},
		{"a database that loses its volume when scaled is refused", scalingDeletes, 0},
		{"through staging to the gate", toTheGate, 0},
		{"approvals that do not count", uncounted, 0},
		{"go-live", goLive, deadFor(t) + 5*time.Minute},
		{"rollback", rollback, 3 * time.Minute},
		{"another plan, whose go-live fails, goes back by itself", failing, 8 * time.Minute},
	}
	for i, story := range stories {
		if need := story.time; need > 0 && short(t, need) {
			for _, s := range stories[i:] { // what was not told was not seen to work
				t.Errorf("left out, as there is not enough time (GRADUS_E2E_BY): %q; make test-e2e tells it", s.name)
			}
			return
		}
		if !t.Run(story.name, func(t *testing.T) { story.tell(t, ns) }) {
			t.Fatal("the stories that follow rest on this one")
		}
	}
}

// short says that a story cannot be told by a time that was given
// (GRADUS_E2E_BY, RFC 3339), as in continuous integration on a cold machine.
func short(t *testing.T, need time.Duration) bool {
	t.Helper()
	text := os.Getenv("GRADUS_E2E_BY")
	if text == "" {
		return false
	}
	by, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatalf("GRADUS_E2E_BY: want a time such as 2026-12-19T20:00:00Z, got %q", text)
	}
	return time.Until(by) < need
}

func missingParts(t *testing.T, ns string) {
	const probe, reader, owner = "campus-probe", "campus-db-reader", "campus-db"
	for _, name := range []string{probe, reader, owner} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
		if err := admin.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	plan := newPlan(ns, "waits", "2.0", image)
	apply(t, plan)
	awaitReason(t, 2*time.Minute, plan, v1alpha1.StepReviewSite, v1alpha1.SiteNotReadyReason,
		"Deployment campus-cron", "spec.workloads[cron].targetRef", "Secret "+probe, "spec.probeAccountSecretRef")
	// Nobody may read the passwords of the live database: the kubelet says that they are missing.
	for _, still := range []struct {
		without []string
		said    string
	}{
		{[]string{reader, owner}, "Secret campus-db"},
		{[]string{owner}, "Secret campus-db, which the Site names in spec.database.ownerSecretRef"},
		{nil, ""},
	} {
		if err := admin.LiveSite(within(t, 3*time.Minute), ns, still.without...); err != nil {
			t.Fatal(err)
		}
		if still.said != "" {
			awaitReason(t, 5*time.Minute, plan, v1alpha1.StepReviewSite, "TakingStock", still.said)
		}
	}
	awaitStep(t, 4*time.Minute, plan, v1alpha1.StepReviewSite, v1alpha1.StepPassed)
	if got := plan.Status.Summary.From; got != "1.0" {
		t.Errorf("want a site at 1.0, the stocktake found %q", got)
	}
}

func notNewer(t *testing.T, ns string) {
	plan := newPlan(ns, "same", "1.0", "localhost/campus:1.0")
	apply(t, plan)
	failed := awaitStep(t, 3*time.Minute, plan, v1alpha1.StepEstablishRequirements, v1alpha1.StepFailed)
	if failed.Reason != "TargetNotNewer" {
		t.Errorf("want TargetNotNewer, got %s", failed.Reason)
	}
	has(t, failed.Message, "spec.target.version", "1.0")
}

func missingPlugin(t *testing.T, ns string) {
	plan := newPlan(ns, "bare", "2.0", bareImage)
	apply(t, plan)
	failed := awaitStep(t, 3*time.Minute, plan, v1alpha1.StepEstablishRequirements, v1alpha1.StepFailed)
	has(t, failed.Message, "local_badge", "report_attendance", "dropPlugins")
	err := edit(t.Context(), planner, plan, func(p *v1alpha1.UpgradePlan) {
		for _, component := range []string{"local_badge", "report_attendance"} {
			p.Spec.Requirements.DropPlugins = append(p.Spec.Requirements.DropPlugins,
				v1alpha1.DroppedPlugin{Component: component, Because: "nobody misses it"})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	awaitReason(t, 3*time.Minute, plan, v1alpha1.StepEstablishRequirements, "Passed")
}

func scalingDeletes(t *testing.T, ns string) {
	database := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "campus-db"}}
	scaled := func(policy string) {
		t.Helper()
		patch := `{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain","whenScaled":"` + policy + `"}}}`
		if err := admin.Patch(t.Context(), database, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	scaled("Delete")
	backup := &v1alpha1.SiteBackup{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "refused"},
		Spec:       v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: world.Site}},
	}
	if err := planner.Create(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	message := ""
	_, err := world.Await(within(t, 2*time.Minute), admin, backup, func(b *v1alpha1.SiteBackup) (string, error) {
		for _, c := range b.Status.Conditions {
			if c.Type == v1alpha1.StalledCondition && c.Status == metav1.ConditionTrue {
				message = c.Message
				return "", nil
			}
		}
		return "it is not stalled", nil
	})
	scaled("Retain")
	if err != nil {
		t.Fatal(err)
	}
	has(t, message, "campus-db", "whenScaled", "Retain")
	remove(within(t, 2*time.Minute), t, backup)
}

// heard gives what was told over the channel.
var heard func() []notify.Message

// campusPlan is the plan of the rest of the stories.
func campusPlan(ns string) *v1alpha1.UpgradePlan {
	plan := newPlan(ns, "campus-2-0", "2.0", image)
	plan.Spec.Stakeholders.Channels = []string{channel}
	plan.Spec.Infrastructure.Scale = []v1alpha1.WorkloadScale{{Workload: "web", Replicas: 3}}
	return plan
}

func toTheGate(t *testing.T, ns string) {
	plan := campusPlan(ns)
	if err := planner.Create(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	awaitStep(t, 4*time.Minute, plan, v1alpha1.StepReviewSite, v1alpha1.StepPassed)

	second := newPlan(ns, "second", "2.0", image)
	apply(t, second)
	wait := awaitReason(t, 2*time.Minute, second, v1alpha1.StepReviewSite, v1alpha1.SiteBusyReason)
	has(t, wait.Message, "campus-2-0")

	err := edit(t.Context(), planner, plan, func(p *v1alpha1.UpgradePlan) {
		p.Spec.Target.Version, p.Spec.Target.Releases[0].Version = "3.0", "3.0"
	})
	refused(t, err, "target.version cannot change")

	for _, step := range []string{v1alpha1.StepBackUp, v1alpha1.StepRunTrial, v1alpha1.StepUpgradeStaging, v1alpha1.StepTest} {
		awaitStep(t, 8*time.Minute, plan, step, v1alpha1.StepPassed)
	}
	enterStaging(t, plan)
	gate := awaitGate(t, 2*time.Minute, plan, func(g v1alpha1.GateStatus) bool { return g.State == v1alpha1.GateWaiting && g.Digest != "" })
	if len(gate.Missing) != 1 {
		t.Errorf("want one approval missing, got %q", gate.Missing)
	}
	told(t, heard, v1alpha1.StepRunTrial, "Passed")
	told(t, heard, v1alpha1.StepGoLive, "Waiting", "lms-owners", "kubectl create", gate.Digest)
	if len(plan.Status.Steps) != 18 {
		t.Errorf("want 18 steps, got %d", len(plan.Status.Steps))
	}
}

// approve is one decision on the gate of the plan.
func approve(plan *v1alpha1.UpgradePlan, digest string) *v1alpha1.UpgradeApproval {
	return &v1alpha1.UpgradeApproval{
		ObjectMeta: metav1.ObjectMeta{Namespace: plan.Namespace, GenerateName: "decision-"},
		Spec: v1alpha1.UpgradeApprovalSpec{
			PlanRef: &v1alpha1.PlanRef{Name: plan.Name, UID: plan.UID}, Gate: v1alpha1.GateGoLive,
			Digest: digest, Decision: v1alpha1.DecisionApprove,
		},
	}
}

func uncounted(t *testing.T, ns string) {
	plan := campusPlan(ns)
	gate := awaitGate(t, time.Minute, plan, func(g v1alpha1.GateStatus) bool { return g.Digest != "" })
	robot := "system:serviceaccount:" + ns + ":pipeline"

	refused(t, planner.Create(t.Context(), approve(plan, gate.Digest)), "forbidden")

	grant := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "too-many-decide"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "gradus-approver"},
		Subjects: []rbacv1.Subject{
			{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "planner"},
			{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "pipeline"},
		},
	}
	if err := admin.Create(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	var err error
	for ctx := within(t, 30*time.Second); ctx.Err() == nil; { // RBAC is a cache
		if err = planner.Create(ctx, approve(plan, gate.Digest)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	gate = awaitGate(t, time.Minute, plan, func(g v1alpha1.GateStatus) bool { return len(g.NotCounted) > 0 })
	if gate.State != v1alpha1.GateWaiting {
		t.Errorf("an author's approval opened the gate: %+v", gate)
	}
	has(t, gate.NotCounted[0].Who+" "+gate.NotCounted[0].Why, "planner", "author")

	refused(t, impersonate(t, robot, "system:serviceaccounts", "system:serviceaccounts:"+ns, "system:authenticated").
		Create(t.Context(), approve(plan, gate.Digest)), "service account", "a person creates the UpgradeApproval")

	forged := approve(plan, gate.Digest)
	forged.Spec.Approver, forged.Spec.Groups = "owner", []string{"lms-owners"}
	if err := planner.Create(t.Context(), forged); err == nil && forged.Spec.Approver != "planner" {
		t.Errorf("want the name of the caller stamped, got %q", forged.Spec.Approver)
	}
}
