// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// closing is what shuts the site: the door, then the pods.
func closing() []v1alpha1.Change {
	return []v1alpha1.Change{
		Want("door", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"holding": "campus"}, v1alpha1.UndoUntilCommit),
		Want("web", "Deployment", "web", v1alpha1.FieldReplicas, "", 0, v1alpha1.UndoUntilCommit),
		Want("cron", "Deployment", "cron", v1alpha1.FieldReplicas, "", 0, v1alpha1.UndoUntilCommit),
		Want("release", "Deployment", "web", v1alpha1.FieldTemplate, "", Template([]v1alpha1.ContainerImage{{Name: "app",
			Image: "campus:2.0", Env: []v1alpha1.EnvValue{{Name: "MODE", Value: "new"}, {Name: "ROOT", Value: "/p"}}}}), v1alpha1.UndoNever),
	}
}

func (s *site) wantClosed() {
	s.t.Helper()
	if s.service().Spec.Selector["holding"] != "campus" || *s.deployment("web").Spec.Replicas != 0 ||
		*s.deployment("cron").Spec.Replicas != 0 || s.deployment("web").Spec.Template.Spec.Containers[0].Image != "campus:2.0" {
		s.t.Error("the site is not closed")
	}
}

func (s *site) wantOpen() {
	s.t.Helper()
	web := s.deployment("web")
	if s.service().Spec.Selector["app"] != "web" || s.service().Spec.Selector["holding"] != "" || *web.Spec.Replicas != 2 ||
		*s.deployment("cron").Spec.Replicas != 1 || web.Spec.Template.Spec.Containers[0].Image != "campus:1.0" {
		s.t.Error("the site is not as it was")
	}
	if env := web.Spec.Template.Spec.Containers[0].Env; len(env) != 1 || env[0].Value != "old" {
		s.t.Errorf("the environment is not as it was: %v", env)
	}
	for _, object := range []client.Object{web, s.deployment("cron"), s.service()} {
		if text, ok := object.GetAnnotations()[v1alpha1.HeldAnnotation]; ok {
			s.t.Errorf("%s still has our note %s", object.GetName(), text)
		}
	}
}

func (s *site) undone() []v1alpha1.Change { return Back(s.golive("g").Status.Changes) }

// The whole way in and back, and a crash before and after every single write.
func TestCrashAtEveryWriteComesBackToTheSameLine(t *testing.T) {
	clean := newSite(t)
	clean.run("g")
	clean.until("g", WishHold, closing())
	clean.wantClosed()
	clean.until("g", WishHold, clean.undone())
	clean.wantOpen()
	t.Logf("%d writes", clean.writes)
	for n := range clean.writes {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, after=%v", n, after), func(t *testing.T) {
				s := newSite(t)
				s.crash, s.after = n, after
				s.run("g")
				s.until("g", WishHold, closing())
				s.wantClosed()
				s.until("g", WishHold, s.undone())
				s.wantOpen()
				for _, c := range s.golive("g").Status.Changes {
					if c.State != v1alpha1.ChangeUndone {
						t.Errorf("change %s is %s", c.ID, c.State)
					}
				}
			})
		}
	}
}

// An intent whose write failed was never more than memory.
func TestNothingIsWrittenOnAnUnpersistedIntent(t *testing.T) {
	s := newSite(t)
	s.run("g")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	g := s.golive("g")
	session := s.writer().Begin(g)
	for range 3 { // the same reconcile goes on and on, and never persists
		done, _, err := session.Ensure(s.ctx, g, "Step", closing())
		s.must(err)
		if done {
			t.Fatal("done without a persisted intent")
		}
	}
	s.wantOpen()
	if len(g.Status.Changes) != len(closing()) || len(s.golive("g").Status.Changes) != 0 {
		t.Error("intents are not in memory alone")
	}
}

func TestARivalIsNamedAndNeverForced(t *testing.T) {
	s := newSite(t)
	s.run("g")
	want := closing()[1:2]
	s.until("g", WishHold, want)
	rival := s.deployment("web")
	rival.Spec.Replicas = ptr.To(int32(5))
	s.must(s.admin.Update(s.ctx, rival, client.FieldOwner("argocd-controller")))
	done, foreign, err := s.reconcile("g", WishHold, want)
	s.must(err)
	if done || foreign == nil || foreign.Foreign != "argocd-controller" {
		t.Fatalf("done %v, foreign %+v", done, foreign)
	}
	// Undoing leaves it, too.
	undoer := s.writer().Begin(s.golive("g")).Undoer()
	g := s.golive("g")
	undoer.Fence = func(ctx context.Context) error { return s.writer().Leases.Fence(ctx, g) }
	if done, err := undoer.Undo(s.ctx, s.namespace, g.Status.Changes); err != nil || !done {
		t.Fatalf("undo: %v, %v", done, err)
	}
	if *s.deployment("web").Spec.Replicas != 5 || g.Status.Changes[0].State != v1alpha1.ChangeForeign {
		t.Error("a rival's value was forced back")
	}
	// A rival who puts the old value back is one as well.
	rival = s.deployment("web")
	rival.Spec.Replicas = ptr.To(int32(2))
	s.must(s.admin.Update(s.ctx, rival, client.FieldOwner("argocd-controller")))
	if _, foreign, err = s.reconcile("g", WishHold, want); err != nil || foreign == nil {
		t.Fatalf("foreign %v, error %v", foreign, err)
	}
	if *s.deployment("web").Spec.Replicas != 2 {
		t.Error("a rival was fought")
	}
}

func TestAWriteMeanwhileIsRetried(t *testing.T) {
	s := newSite(t)
	s.run("g")
	web := s.deployment("web")
	change := closing()[1]
	now, err := Observe(s.ctx, s.admin, s.namespace, change)
	s.must(err)
	web.Annotations = map[string]string{"somebody": "else"}
	s.must(s.admin.Update(s.ctx, web))
	after, _ := ValueOf(change.After)
	if err := put(s.ctx, s.admin, change, now, after, nil); !errors.Is(err, errAgain) {
		t.Fatalf("error is %v, want another look", err)
	}
	bad := Want("bad", "Deployment", "web", v1alpha1.FieldReplicas, "", -1, v1alpha1.UndoNever)
	now, err = Observe(s.ctx, s.admin, s.namespace, bad)
	s.must(err)
	value, _ := ValueOf(bad.After)
	var no *refused
	if err := put(s.ctx, s.admin, bad, now, value, nil); !errors.As(err, &no) {
		t.Fatalf("error is %v, want a refusal", err)
	}
}

func TestTheLeaseIsTheLock(t *testing.T) {
	s := newSite(t)
	s.run("g")
	s.run("h")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	h := s.golive("h")
	grip, err := s.writer().Leases.Keep(s.ctx, h, WishHold, "")
	s.must(err)
	if grip.Held || !strings.HasPrefix(grip.Holder, "GoLive/g/") {
		t.Fatalf("grip is %+v", grip)
	}
	// Renewed when due, not before.
	_, _, first := s.renewed()
	s.clock.Step(5 * time.Second)
	_, _, err = s.reconcile("g", WishNothing, nil)
	s.must(err)
	if _, _, at := s.renewed(); !at.Equal(first) {
		t.Error("renewed too early")
	}
	s.clock.Step(15 * time.Second)
	_, _, err = s.reconcile("g", WishNothing, nil)
	s.must(err)
	if _, _, at := s.renewed(); !at.After(first) {
		t.Error("not renewed")
	}
	// Committing is one compare-and-swap; it stays across reconciles.
	_, _, err = s.reconcile("g", WishCommit, nil)
	s.must(err)
	if _, _, at := s.lease(); at != v1alpha1.PointCommitted || s.golive("g").Status.Lease.Point != v1alpha1.PointCommitted {
		t.Error("not committed")
	}
	// A rollback takes it from the go-live: still committed, never free.
	grip, err = s.writer().Leases.Keep(s.ctx, h, WishHold, Identity(s.golive("g")))
	s.must(err)
	if !grip.Held || grip.Point != v1alpha1.PointCommitted || h.Status.Lease.Fence != 2 {
		t.Fatalf("grip is %+v, fence %+v", grip, h.Status.Lease)
	}
	_, err = s.writer().Leases.Keep(s.ctx, h, WishLetGo, "")
	s.must(err)
	if who, _, at := s.lease(); who != "" || at != "" || h.Status.Lease != nil {
		t.Errorf("not let go: %q %q", who, at)
	}
}

func (s *site) renewed() (string, int32, time.Time) {
	s.t.Helper()
	lease, err := s.writer().Leases.Get(s.ctx, s.golive("g"))
	s.must(err)
	return holder(lease), 0, lease.Spec.RenewTime.Time
}

// What stays loses our note and keeps its value.
func TestKeepTakesTheNoteOff(t *testing.T) {
	s := newSite(t)
	s.run("g")
	s.until("g", WishHold, closing())
	changes := s.golive("g").Status.Changes
	s.until("g", WishHold, Keep(changes[3:]))
	s.until("g", WishHold, Back(changes[:3]))
	web := s.deployment("web")
	if web.Spec.Template.Spec.Containers[0].Image != "campus:2.0" || *web.Spec.Replicas != 2 {
		t.Error("the release did not stay")
	}
	if _, held := web.Annotations[v1alpha1.HeldAnnotation]; held {
		t.Error("our note stayed")
	}
	_, _, err := s.reconcile("g", WishLetGo, nil)
	s.must(err)
	if s.golive("g").Status.Lease != nil {
		t.Error("the lease stayed in the status")
	}
}

func TestATargetThatIsNotThereIsNamed(t *testing.T) {
	s := newSite(t)
	s.run("g")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	s.must(s.admin.Delete(s.ctx, &appsv1.Deployment{ObjectMeta: s.deployment("cron").ObjectMeta}))
	_, foreign, err := s.reconcile("g", WishHold, closing())
	if err != nil || foreign == nil || foreign.Target.Name != "cron" || foreign.Foreign == "" {
		t.Fatalf("foreign %+v, error %v", foreign, err)
	}
}
