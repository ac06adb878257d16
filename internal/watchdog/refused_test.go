// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
)

// patches gives the watchdog a client that asks before each patch.
func (s *story) patches(ask func(client.Object) error) {
	s.dog.Client = interceptor.NewClient(s.c, interceptor.Funcs{Patch: func(
		ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		if err := ask(o); err != nil {
			return err
		}
		return c.Patch(ctx, o, p, opts...)
	}})
}

// Until a freeze ends the site is not open, and nobody else may have it.
func TestAnUndoThatIsRefusedKeepsTheLease(t *testing.T) {
	s := closedSite(t)
	frozen := true
	s.patches(func(o client.Object) error {
		if frozen && o.GetName() == "web" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "web", errors.New("change freeze"))
		}
		return nil
	})
	s.pass(5*time.Minute, false)
	if grip := s.grip(); s.open() || !strings.HasPrefix(grip.Holder, prefix) {
		t.Fatalf("open %v, grip %+v", s.open(), grip)
	}
	if strings.Join(s.told, " ") != "LeaseTaken UndoRefused" || s.dog.State.Refused != 1 {
		t.Errorf("told %v, %d refused", s.told, s.dog.State.Refused)
	}
	ns := &corev1.Namespace{}
	s.must(s.c.Get(s.ctx, client.ObjectKey{Name: s.golive.Namespace}, ns))
	if ns.Labels[v1alpha1.LockedByLabel] != "" {
		t.Error("what is not refused was not put back")
	}
	frozen = false
	s.pass(5*time.Second, false)
	if grip := s.grip(); !s.open() || grip.Holder != "" || s.dog.State.Refused != 0 {
		t.Errorf("open %v, grip %+v, %d refused", s.open(), grip, s.dog.State.Refused)
	}
}

// deaf cannot be told anything.
type deaf struct{}

func (deaf) Tell(context.Context, string, string) error {
	return errors.New(`events is forbidden: exceeded quota`)
}

// A quota for Events keeps no site closed, and no lease held.
func TestTellingKeepsNothingClosed(t *testing.T) {
	s := closedSite(t)
	var log strings.Builder
	s.dog.Tell, s.dog.Log = deaf{}, &log
	s.pass(2*time.Minute, false)
	s.clock.Step(5 * time.Second)
	s.must(s.dog.Look(s.ctx)) // this one takes the lease
	if grip := s.grip(); !s.open() || grip.Holder != "" {
		t.Fatalf("open %v, grip %+v", s.open(), grip)
	}
	if s.dog.State.Untold != 2 || !strings.Contains(log.String(), "SiteReopened: events is forbidden") {
		t.Errorf("%d untold; log %s", s.dog.State.Untold, log.String())
	}
	answer := httptest.NewRecorder()
	handler(func() State { return s.dog.State }).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "gradus_watchdog_untold_total 2\n") {
		t.Errorf("metrics are %s", answer.Body.String())
	}
}

// What the operator only intended is moved once, not at every poll while
// something else is refused.
func TestTargetsThatWereOnlyIntendedAreMovedOnce(t *testing.T) {
	s := closedSite(t)
	s.must(s.c.Get(s.ctx, client.ObjectKeyFromObject(s.golive), s.golive))
	intended := production.Want("late", "Namespace", s.golive.Namespace, v1alpha1.FieldLabel, "", "g", v1alpha1.UndoUntilCommit)
	intended.Step, intended.State = "Lock", v1alpha1.ChangeIntended
	before := s.golive.DeepCopy()
	// The lock itself is back already: only the intent is left.
	ns := &corev1.Namespace{}
	s.must(s.c.Get(s.ctx, client.ObjectKey{Name: s.golive.Namespace}, ns))
	intended.Target.UID = ns.UID
	s.golive.Status.Changes = append(s.golive.Status.Changes[:1], intended)
	s.must(s.c.Status().Patch(s.ctx, s.golive, client.MergeFrom(before)))
	delete(ns.Labels, v1alpha1.LockedByLabel)
	delete(ns.Annotations, v1alpha1.HeldAnnotation)
	s.must(s.c.Update(s.ctx, ns))
	moved := 0
	s.patches(func(o client.Object) error {
		if o.GetName() == "web" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "web", errors.New("change freeze"))
		}
		moved++
		return nil
	})
	s.pass(4*time.Minute, false)
	if moved != 2 {
		t.Errorf("%d writes", moved)
	}
}

// forbids keeps the watchdog from reading one target, as a Role that is not as
// wide as the journal does.
func (s *story) forbids(name string) {
	s.dog.Client = interceptor.NewClient(s.c, interceptor.Funcs{Get: func(
		ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if k.Name == name {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "any"}, name, errors.New("no right"))
		}
		return c.Get(ctx, k, o, opts...)
	}})
}

// One object without a right keeps no other from being put back; nor does one
// that needs nothing any more.
func TestATargetThatMayNotBeReadKeepsNothingElseClosed(t *testing.T) {
	tests := map[string]struct {
		lost, undone bool
		told         string
	}{
		"with the journal":               {told: "LeaseTaken UndoRefused"},
		"with the notes alone":           {lost: true, told: "LeaseTaken"},
		"which is undone in the journal": {undone: true, told: "LeaseTaken SiteReopened"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := closedSite(t)
			if test.undone {
				s.must(s.c.Get(s.ctx, client.ObjectKeyFromObject(s.golive), s.golive))
				before := s.golive.DeepCopy()
				s.golive.Status.Changes[1].State = v1alpha1.ChangeUndone
				s.must(s.c.Status().Patch(s.ctx, s.golive, client.MergeFrom(before)))
			}
			if test.lost {
				s.must(s.c.Delete(s.ctx, s.golive))
			}
			s.forbids(s.golive.Namespace) // the lock
			for range 30 {
				s.clock.Step(5 * time.Second)
				_ = s.dog.Look(s.ctx)
			}
			door := &corev1.Service{}
			s.must(s.c.Get(s.ctx, client.ObjectKey{Namespace: s.golive.Namespace, Name: "web"}, door))
			if door.Spec.Selector["app"] != "web" {
				t.Error("the door stays shut because another object may not be read")
			}
			if strings.Join(s.told, " ") != test.told {
				t.Errorf("told %v", s.told)
			}
			if held := s.holder() != ""; held == test.undone {
				t.Errorf("the lease is held: %v", held)
			}
		})
	}
}

func (s *story) holder() string {
	s.t.Helper()
	lease, err := s.writer.Leases.Get(s.ctx, s.golive)
	s.must(err)
	return *lease.Spec.HolderIdentity
}
