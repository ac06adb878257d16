// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// frozen is what a policy of the platform's owners says.
const frozen = "change freeze: nobody writes Services until Monday"

// freeze begins a freeze of the site's Services, and waits until it holds.
// What ends it is returned.
func (s *site) freeze() (thaw func()) {
	s.t.Helper()
	meta := metav1.ObjectMeta{Name: "freeze-" + s.namespace}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: ptr.To(admissionv1.Fail),
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": s.namespace}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Update},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"*"}, Resources: []string{"services"}},
			}}},
		},
		Validations: []admissionv1.Validation{{Expression: "false", Message: frozen}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: meta.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}}}
	s.must(s.admin.Create(s.ctx, policy))
	s.must(s.admin.Create(s.ctx, binding))
	s.enforced(true)
	thaw = func() {
		s.t.Helper()
		s.must(client.IgnoreNotFound(s.admin.Delete(s.ctx, binding.DeepCopy())))
		s.must(client.IgnoreNotFound(s.admin.Delete(s.ctx, policy.DeepCopy())))
		s.enforced(false)
	}
	return thaw
}

// enforced waits until the freeze holds, or does no more.
func (s *site) enforced(want bool) {
	s.t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"asked":"yes"}}}`))
	s.must(wait.PollUntilContextTimeout(s.ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := s.admin.Patch(ctx, s.service(), patch, client.DryRunAll)
		return (err != nil) == want, nil
	}))
}

// A freeze that begins while the site is closed: nothing is done until the
// door is back, however often it is tried.
func TestAnUndoThatIsRefusedIsNotDone(t *testing.T) {
	s := newSite(t)
	s.run("g")
	s.until("g", WishHold, closing()[:3])
	thaw := s.freeze()
	var foreign *v1alpha1.Change
	for range 6 {
		done, rival, err := s.reconcile("g", WishHold, s.undone())
		s.must(err)
		if done {
			t.Fatal("done, and the door is shut")
		}
		foreign = rival
	}
	if foreign == nil || foreign.ID != "door" || !strings.Contains(foreign.Foreign, frozen) {
		t.Fatalf("what keeps it from being undone is told as %+v", foreign)
	}
	door := s.golive("g").Status.Changes[0]
	if door.State != v1alpha1.ChangeUndoing || Refused(s.golive("g").Status.Changes) == nil {
		t.Errorf("the journal says %s, %q", door.State, door.Foreign)
	}
	if *s.deployment("web").Spec.Replicas != 2 {
		t.Error("what is not refused was not put back")
	}
	before := s.golive("g").ResourceVersion
	_, _, err := s.reconcile("g", WishHold, s.undone())
	s.must(err)
	if s.golive("g").ResourceVersion != before {
		t.Error("the status is written although nothing is new")
	}
	thaw()
	for range 3 {
		_, _, err := s.reconcile("g", WishHold, s.undone())
		s.must(err)
	}
	s.wantOpen()
	if door := s.golive("g").Status.Changes[0]; door.State != v1alpha1.ChangeUndone || door.Foreign != "" {
		t.Errorf("in the end the journal says %s, %q", door.State, door.Foreign)
	}
}

// What fails for one object does not keep the others closed.
func TestAnUndoThatFailsDoesNotHinderTheOthers(t *testing.T) {
	s := newSite(t)
	s.run("g")
	s.until("g", WishHold, closing()[:3])
	broken := interceptor.NewClient(s.admin, interceptor.Funcs{Patch: func(
		ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		if o.GetName() == "cron" {
			return apierrors.NewInternalError(errors.New("failed calling webhook"))
		}
		return c.Patch(ctx, o, p, opts...)
	}})
	g := s.golive("g")
	session := Writer{Client: broken, Live: s.admin, Leases: s.writer().Leases}.Begin(g)
	if done, err := session.Undoer().Undo(s.ctx, s.namespace, g.Status.Changes); done || err == nil {
		t.Fatalf("done %v, error %v", done, err)
	}
	if s.service().Spec.Selector["app"] != "web" || *s.deployment("web").Spec.Replicas != 2 {
		t.Error("the door stays shut because a background workload cannot be written")
	}
}

// An apply merges its labels beside ours: such a door leads nowhere.
func TestADoorThatIsStillOursIsNotLeft(t *testing.T) {
	tests := map[string]struct {
		selector map[string]string
		done     bool
		want     map[string]string
		says     string
	}{
		"somebody's, with nothing of ours": {map[string]string{"app": "new"}, true, map[string]string{"app": "new"}, "argocd"},
		"ours, with what was there before": {map[string]string{"app": "web", "holding": "campus"}, true, map[string]string{"app": "web"}, ""},
		"ours, mixed with what is new": {map[string]string{"app": "new", "holding": "campus"}, false,
			map[string]string{"app": "new", "holding": "campus"}, "mixed with what argocd wrote"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.run("g")
			s.until("g", WishHold, closing()[:1])
			door := s.service()
			door.Spec.Selector = test.selector
			s.must(s.admin.Update(s.ctx, door, client.FieldOwner("argocd")))
			done := false
			for range 4 {
				var err error
				done, _, err = s.reconcile("g", WishHold, s.undone())
				s.must(err)
			}
			got := s.golive("g").Status.Changes[0].Foreign
			if done != test.done || got != test.says {
				t.Errorf("done %v, the journal says %q", done, got)
			}
			if now := s.service().Spec.Selector; len(now) != len(test.want) || now["app"] != test.want["app"] {
				t.Errorf("the selector is %v", now)
			}
		})
	}
}

// The lease names the run: a process of it that stood still passes the fence.
// What it still wants to write must fail on the object.
func TestTheRunItselfMovesTargetsThatWereOnlyIntended(t *testing.T) {
	s := newSite(t)
	s.run("g")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	_, _, err = s.reconcile("g", WishHold, closing()[:1])
	s.must(err)
	intended := s.golive("g").Status.Changes[0]
	stoodStill, err := Observe(s.ctx, s.admin, s.namespace, intended)
	s.must(err)
	writes := s.writes
	s.until("g", WishHold, s.undone())
	if n := s.writes - writes; n != 4 { // two of them the status
		t.Errorf("%d writes", n)
	}
	after, _ := ValueOf(intended.After)
	if err := put(s.ctx, s.admin, intended, stoodStill, after, nil); !errors.Is(err, errAgain) {
		t.Errorf("the patch of a process that stood still: %v", err)
	}
	s.wantOpen()
}

// A run that got the lease of a site which another has shut, because somebody
// deleted the lease, does not take the holding page for the site.
func TestAHoldingPageIsNotTakenForTheSite(t *testing.T) {
	s := newSite(t)
	s.run("g")
	s.run("h")
	s.until("g", WishHold, closing()[:1])
	lease, err := s.writer().Leases.Get(s.ctx, s.golive("g"))
	s.must(err)
	s.must(s.admin.Delete(s.ctx, lease))
	_, _, err = s.reconcile("h", WishHold, nil)
	s.must(err)
	other := Want("door", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"holding": "h"}, v1alpha1.UndoUntilCommit)
	_, foreign, err := s.reconcile("h", WishHold, []v1alpha1.Change{other})
	s.must(err)
	if foreign == nil || !strings.HasPrefix(foreign.Foreign, "GoLive/g/") || len(s.golive("h").Status.Changes) != 0 {
		t.Errorf("told %+v, changes %v", foreign, s.golive("h").Status.Changes)
	}
}

func TestMendGivesACommandThatWritesTheValue(t *testing.T) {
	for want, c := range map[string]v1alpha1.Change{
		`0 | kubectl patch deployment web -n campus --type=merge -p '{"spec":{"replicas":0}}'`: Want("c", "Deployment", "web", v1alpha1.FieldReplicas, "", 0, v1alpha1.UndoNever),
		`{"a":"b"} | kubectl patch service web -n campus --type=json -p '[{"op":"add","path":"/spec/selector","value":{"a":"b"}}]'`: Want(
			"c", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"a": "b"}, v1alpha1.UndoNever),
		`nothing | kubectl patch namespace campus --type=merge -p '{"metadata":{"labels":{"lms.gradus.dev/locked-by":null}}}'`: Want(
			"c", "Namespace", "campus", v1alpha1.FieldLabel, "", nil, v1alpha1.UndoNever),
		`{"app":{"env":{"A":"it's","B":{}},"image":"i:2"}} | kubectl patch deployment web -n campus --type=strategic -p ` +
			`'{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"A","value":"it'\''s"},{"$patch":"delete","name":"B"}],"image":"i:2","name":"app"}]}}}}'`: Want(
			"c", "Deployment", "web", v1alpha1.FieldTemplate, "", map[string]any{"app": map[string]any{"image": "i:2",
				"env": map[string]any{"A": "it's", "B": map[string]any{}}}}, v1alpha1.UndoNever),
	} {
		value, command := Mend("campus", c, c.After)
		if got := value + " | " + command; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}
