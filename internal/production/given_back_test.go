// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"testing"

	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// A lease that nobody holds is taken back above its old number; one that
// somebody holds never is.
func TestALeaseIsTakenBackOnlyFromNobody(t *testing.T) {
	begin := func(t *testing.T) *site {
		s := newSite(t)
		s.run("g")
		_, _, err := s.reconcile("g", WishHold, nil)
		s.must(err)
		return s
	}
	regain := func(s *site, at v1alpha1.LeasePoint) Grip {
		g := s.golive("g")
		grip, err := s.writer().Leases.Regain(s.ctx, g, at)
		s.must(err)
		if grip.Held != (s.writer().Leases.Fence(s.ctx, g) == nil) {
			s.t.Error("the fence says otherwise")
		}
		return grip
	}
	gone := func(s *site) {
		lease, err := s.writer().Leases.Get(s.ctx, s.golive("g"))
		s.must(err)
		s.must(s.admin.Delete(s.ctx, lease))
	}
	t.Run("deleted", func(t *testing.T) {
		s := begin(t)
		gone(s)
		if grip := regain(s, v1alpha1.PointCommitted); !grip.Held || grip.Point != v1alpha1.PointCommitted || grip.Fence != 2 {
			t.Errorf("grip %+v", grip)
		}
		// The status was not written: once more comes to the same.
		if grip := regain(s, v1alpha1.PointReversible); !grip.Held || grip.Point != v1alpha1.PointCommitted || grip.Fence != 2 {
			t.Errorf("after a crash: grip %+v", grip)
		}
	})
	t.Run("taken over and let go", func(t *testing.T) {
		s := begin(t)
		s.takeOver("Watchdog/x")
		s.takeOver("")
		if grip := regain(s, v1alpha1.PointReversible); !grip.Held || grip.Fence != 4 {
			t.Errorf("grip %+v", grip)
		}
	})
	t.Run("held", func(t *testing.T) {
		s := begin(t)
		s.takeOver("GoLive/other/1")
		if grip := regain(s, v1alpha1.PointReversible); grip.Held || !grip.Lost || grip.Holder != "GoLive/other/1" {
			t.Errorf("grip %+v", grip)
		}
	})
}

// What follows a go-live past the point of no return begins past it, also when
// somebody deleted or emptied the lease in between.
func TestALeaseOfWhoGivesWayIsCommittedAlsoWhenItIsGone(t *testing.T) {
	for _, what := range []string{"deleted", "emptied", "let go by another who had it meanwhile"} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			s.run("g")
			s.run("h")
			_, _, err := s.reconcile("g", WishHold, nil)
			s.must(err)
			_, _, err = s.reconcile("g", WishCommit, nil)
			s.must(err)
			lease, err := s.writer().Leases.Get(s.ctx, s.golive("g"))
			s.must(err)
			switch what {
			case "deleted":
				s.must(s.admin.Delete(s.ctx, lease))
			case "emptied":
				lease.Spec.HolderIdentity = ptr.To("")
				s.must(s.admin.Update(s.ctx, lease))
			default:
				lease.Spec.HolderIdentity = ptr.To("")
				delete(lease.Annotations, v1alpha1.PointAnnotation)
				s.must(s.admin.Update(s.ctx, lease))
			}
			grip, err := s.writer().Leases.Keep(s.ctx, s.golive("h"), WishHold, Identity(s.golive("g")))
			s.must(err)
			if !grip.Held || grip.Point != v1alpha1.PointCommitted {
				t.Errorf("grip %+v", grip)
			}
		})
	}
}

// A run that wants to let go and does not hold its lease is done, whoever has that since: what it
// did before a crash it need not do again. Only what it still holds it lets go.
func TestLettingGoIsDoneByWhomeverItWas(t *testing.T) {
	for what, test := range map[string]struct {
		holder string
		fence  int32
		point  v1alpha1.LeasePoint
		done   bool
	}{
		"let go":                            {fence: 1, done: true},
		"let go, and taken":                 {holder: "Rollback/b/1", fence: 2, point: v1alpha1.PointReversible, done: true},
		"let go, and taken for good":        {holder: "Rollback/b/1", fence: 2, point: v1alpha1.PointCommitted, done: true},
		"let go, taken, let go":             {fence: 2, done: true},
		"let go, taken, emptied":            {fence: 2, point: v1alpha1.PointCommitted, done: true},
		"deleted, and taken":                {holder: "Rollback/b/1", fence: 1, point: v1alpha1.PointReversible, done: true},
		"emptied":                           {fence: 1, point: v1alpha1.PointCommitted},
		"taken back, and then we crashed":   {holder: "me", fence: 2, point: v1alpha1.PointCommitted},
		"nothing happened, and it lets go":  {holder: "me", fence: 1, point: v1alpha1.PointCommitted, done: true},
		"deleted, and there is none at all": {done: true},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			s.run("g")
			_, _, err := s.reconcile("g", WishHold, nil)
			s.must(err)
			_, _, err = s.reconcile("g", WishCommit, nil)
			s.must(err)
			g := s.golive("g")
			if test.holder == "me" {
				test.holder = Identity(g)
			}
			lease, err := s.writer().Leases.Get(s.ctx, g)
			s.must(err)
			if test.fence == 0 {
				s.must(s.admin.Delete(s.ctx, lease))
			} else {
				lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions = &test.holder, &test.fence
				setPoint(lease, test.point)
				s.must(s.admin.Update(s.ctx, lease))
			}
			grip, err := s.writer().Leases.Keep(s.ctx, g, WishLetGo, "")
			s.must(err)
			if done := g.Status.Lease == nil; done != test.done || grip.Lost == done {
				t.Errorf("done %v, grip %+v", done, grip)
			}
			if test.fence == 0 {
				return
			}
			if who, _, _ := s.lease(); who != test.holder && who != "" || who == Identity(g) && test.done {
				t.Errorf("held by %q", who)
			}
		})
	}
}
