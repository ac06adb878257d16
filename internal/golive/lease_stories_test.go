// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"context"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

// quiet brings a go-live to where the site is closed and nothing irreversible
// has happened.
func quiet(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	if w.isOpen() {
		t.Fatal("not closed")
	}
	return w
}

func (w *world) lease() *coordinationv1.Lease {
	w.t.Helper()
	lease := &coordinationv1.Lease{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "gradus-campus"}, lease))
	return lease
}

// besides counts the Deployments of ours whose name has a part.
func (w *world) besides(part string) (n int) {
	w.t.Helper()
	var all appsv1.DeploymentList
	w.must(w.admin.List(w.ctx, &all, client.InNamespace(w.namespace)))
	for _, d := range all.Items {
		if strings.Contains(d.Name, part) {
			n++
		}
	}
	return n
}

// freeze begins a change freeze of Services, as a platform's owners would, and
// waits until it holds. It returns what ends it.
func (w *world) freeze() (thaw func()) {
	w.t.Helper()
	named := metav1.ObjectMeta{Name: "freeze-" + w.namespace}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: named, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.namespace}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"*"}, Resources: []string{"services"}},
			}}},
		},
		Validations: []admissionv1.Validation{{Expression: "false", Message: "change freeze until Monday"}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: named, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: named.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}}}
	w.must(w.admin.Create(w.ctx, policy))
	w.must(w.admin.Create(w.ctx, binding))
	enforced := func(want bool) {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"asked":"yes"}}}`))
		w.must(wait.PollUntilContextTimeout(w.ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			err := w.admin.Patch(ctx, &corev1.Service{ObjectMeta: w.meta("web")}, patch, client.DryRunAll)
			return (err != nil) == want, nil
		}))
	}
	enforced(true)
	return func() {
		w.must(w.admin.Delete(w.ctx, binding))
		w.must(w.admin.Delete(w.ctx, policy))
		enforced(false)
	}
}

// A freeze begins while the site is closed, and then the upgrade fails. The
// door cannot be put back: page, watchdog and lease stay, and who refuses is told.
func TestASiteThatCannotBePutBackIsNotLeft(t *testing.T) {
	w := quiet(t)
	thaw := w.freeze()
	w.outcomes["-awaitsilence-"] = broken("SessionsLeft")
	stalled := func(g *v1alpha1.GoLive) bool {
		c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition)
		return c != nil && c.Reason == "ChangeRefused"
	}
	w.until("refused", stalled)
	for range 5 {
		w.tick()
	}
	g := w.get()
	message := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition).Message
	for _, part := range []string{"Undo: Selector of Service web cannot be put back", "change freeze until Monday", "kubectl patch service web"} {
		if !strings.Contains(message, part) {
			t.Errorf("%q is missing in: %s", part, message)
		}
	}
	if w.isOpen() || over(g) || g.Status.Lease == nil || w.besides("closed") != 1 || w.besides("watchdog") != 1 ||
		ptr.Deref(w.lease().Spec.HolderIdentity, "") == "" {
		t.Fatalf("left alone: lease %v, %d pages, %d watchdogs", g.Status.Lease, w.besides("closed"), w.besides("watchdog"))
	}
	if *w.deployment("web").Spec.Replicas != 2 {
		t.Error("what is not refused was not put back")
	}
	thaw()
	if c := succeeded(w.until("over", over)); c.Reason != "SessionsLeft" {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// Deleted in the middle of the same: it stays until the door is back.
func TestDeletingAGoLiveThatCannotBePutBackWaits(t *testing.T) {
	w := quiet(t)
	thaw := w.freeze()
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 4 {
		w.tick()
	}
	if c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.StalledCondition); c == nil || c.Reason != "ChangeRefused" {
		t.Errorf("conditions %v", w.get().Status.Conditions)
	}
	thaw()
	for range 4 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); err == nil || !w.isOpen() {
		t.Errorf("open %v, the go-live: %v", w.isOpen(), err)
	}
}

// An apply puts its labels beside ours: the door leads nowhere, and is put back.
func TestADoorThatWasMergedIsPutBack(t *testing.T) {
	w := quiet(t)
	door := &corev1.Service{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "web"}, door))
	door.Spec.Selector["app"] = "web"
	w.must(w.admin.Update(w.ctx, door, client.FieldOwner("kubectl-client-side-apply")))
	if c := succeeded(w.until("over", over)); c.Reason != v1alpha1.ConflictingWriterReason {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// Whoever deletes or empties the lease of a closed site: the run takes it back
// to put the site back, and ends.
func TestALeaseThatIsGoneEndsTheRunWithTheSiteOpen(t *testing.T) {
	for name, harm := range map[string]func(*world){
		"deleted": func(w *world) { w.must(w.admin.Delete(w.ctx, w.lease())) },
		"emptied": func(w *world) {
			lease := w.lease()
			lease.Spec.HolderIdentity = ptr.To("")
			w.must(w.admin.Update(w.ctx, lease))
		},
		"deleted, and a crash while it is taken back": func(w *world) {
			w.must(w.admin.Delete(w.ctx, w.lease()))
			w.crash, w.after = w.writes, true
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := quiet(t)
			fence := w.get().Status.Lease.Fence
			harm(w)
			if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.LeaseLostReason {
				t.Errorf("%s %s: %s", c.Status, c.Reason, c.Message)
			}
			w.wantServing("campus:1.0")
			if got := ptr.Deref(w.lease().Spec.LeaseTransitions, 0); got <= fence {
				t.Errorf("number %d, was %d", got, fence)
			}
		})
	}
}

// The finalizer of a run whose lease is gone is not dropped over a closed site.
func TestDeletingAGoLiveWhoseLeaseIsGonePutsTheSiteBack(t *testing.T) {
	w := quiet(t)
	w.must(w.admin.Delete(w.ctx, w.lease()))
	w.must(w.admin.Delete(w.ctx, w.goLive))
	for range 4 {
		w.tick()
	}
	if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(w.goLive), w.goLive); err == nil || !w.isOpen() {
		t.Errorf("open %v, the go-live: %v", w.isOpen(), err)
	}
}

// Past the point of no return it is Committed again, and the run goes on.
func TestALeaseThatIsGonePastThePointOfNoReturnIsCommittedAgain(t *testing.T) {
	w := newWorld(t)
	w.order(nil)
	w.outcomes["-hop-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("upgrading", func(g *v1alpha1.GoLive) bool { return state(g, "Hops") == v1alpha1.StepRunning })
	w.must(w.admin.Delete(w.ctx, w.lease()))
	for range 3 {
		w.tick()
	}
	lease := w.lease()
	if lease.Annotations[v1alpha1.PointAnnotation] != string(v1alpha1.PointCommitted) || w.isOpen() ||
		!strings.HasPrefix(*lease.Spec.HolderIdentity, "GoLive/go/") {
		t.Fatalf("open %v, held by %s at %v", w.isOpen(), *lease.Spec.HolderIdentity, lease.Annotations)
	}
	delete(w.outcomes, "-hop-")
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}

// watchdogUndoes lets the watchdog do its work while the operator is away.
func (w *world) watchdogUndoes() {
	w.t.Helper()
	dog := &watchdog.Dog{Client: w.admin, Clock: w.clock, Namespace: w.namespace, Site: "campus", Duration: 2 * time.Minute,
		Poll: 5 * time.Second, Alarm: time.Hour, Tell: mute{}, Run: *w.lease().Spec.HolderIdentity}
	for range 30 {
		w.must(dog.Look(w.ctx))
		w.clock.Step(5 * time.Second)
	}
	if !w.isOpen() || *w.lease().Spec.HolderIdentity != "" {
		w.t.Fatal("the watchdog did not open the site")
	}
}

type mute struct{}

func (mute) Tell(context.Context, string, string) error { return nil }

// The operator comes back after its watchdog has put everything back: the run
// ends, and nothing of it stays.
func TestARunThatItsWatchdogUndidEnds(t *testing.T) {
	w := quiet(t)
	w.watchdogUndoes()
	// Somebody's own wish meanwhile looks like what we wrote: it is not ours.
	cron := w.deployment("cron")
	cron.Spec.Replicas = ptr.To(int32(0))
	w.must(w.admin.Update(w.ctx, cron))
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.LeaseLostReason {
		t.Errorf("%s %s: %s", c.Status, c.Reason, c.Message)
	}
	cron = w.deployment("cron")
	if *cron.Spec.Replicas != 0 {
		t.Error("a person's own value was put back")
	}
	cron.Spec.Replicas = ptr.To(int32(1))
	w.must(w.admin.Update(w.ctx, cron))
	w.wantServing("campus:1.0")
}

// Where another run holds the site by then, its own watchdog goes and nothing else.
func TestARunThatSomebodyElseFollowedRemovesItsWatchdogAlone(t *testing.T) {
	w := quiet(t)
	w.watchdogUndoes()
	lease := w.lease()
	lease.Spec.HolderIdentity = ptr.To("GoLive/other/u-2")
	lease.Spec.LeaseTransitions = ptr.To(*lease.Spec.LeaseTransitions + 1)
	w.must(w.admin.Update(w.ctx, lease))
	for range 3 {
		w.tick()
	}
	if w.besides("watchdog") != 0 || w.besides("closed") != 1 {
		t.Errorf("%d watchdogs, %d pages", w.besides("watchdog"), w.besides("closed"))
	}
	c := meta.FindStatusCondition(w.get().Status.Conditions, v1alpha1.StalledCondition)
	if c == nil || c.Reason != v1alpha1.LeaseLostReason || !strings.Contains(c.Message, "held by GoLive/other/u-2; 0 of ") {
		t.Errorf("stalled as %+v", c)
	}
	if *w.lease().Spec.HolderIdentity != "GoLive/other/u-2" {
		t.Error("the other's lease was taken")
	}
}
