// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Whoever lost the lease writes nothing, whether it noticed or not.
func TestALostLeaseStopsEveryWrite(t *testing.T) {
	s := newSite(t)
	s.run("g")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	_, _, err = s.reconcile("g", WishHold, closing()) // intents
	s.must(err)
	zombie := s.golive("g")
	s.takeOver("watchdog/campus")
	if _, _, err := s.reconcile("g", WishHold, closing()); !errors.Is(err, ErrLeaseLost) {
		t.Fatalf("error is %v", err)
	}
	// A zombie that does not look at its lease first is stopped by the fence.
	if _, _, err := s.writer().Begin(zombie).Ensure(s.ctx, zombie, "Step", closing()); !errors.Is(err, ErrLeaseLost) {
		t.Fatalf("error is %v", err)
	}
	// The old number is not enough either: the same holder, another term.
	s.takeOver(Identity(zombie))
	if _, _, err := s.writer().Begin(zombie).Ensure(s.ctx, zombie, "Step", closing()); !errors.Is(err, ErrLeaseLost) {
		t.Fatalf("error is %v", err)
	}
	// Nor can it commit.
	if _, err := s.writer().Leases.Keep(s.ctx, zombie, WishCommit, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, at := s.lease(); at == v1alpha1.PointCommitted {
		t.Error("a zombie committed")
	}
	s.wantOpen()
}

// takeOver gives the lease to somebody else, as the watchdog would.
func (s *site) takeOver(who string) {
	s.t.Helper()
	lease, err := s.writer().Leases.Get(s.ctx, s.golive("g"))
	s.must(err)
	lease.Spec.HolderIdentity = &who
	lease.Spec.LeaseTransitions = ptr.To(*lease.Spec.LeaseTransitions + 1)
	s.must(s.admin.Update(s.ctx, lease))
}

// Commit and take-over update the same object: exactly one wins.
func TestCommitAndTakeOverRace(t *testing.T) {
	s := newSite(t)
	s.run("g")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	leases, g := s.writer().Leases, s.golive("g")
	read, err := leases.Get(s.ctx, g)
	s.must(err)
	s.takeOver("watchdog/campus")
	if _, err := leases.keep(s.ctx, g, read, WishCommit); err == nil {
		t.Fatal("committed on a lease that somebody took meanwhile")
	}
	if _, _, at := s.lease(); at != v1alpha1.PointReversible {
		t.Errorf("the point is %s", at)
	}
}

// A patch that its sender had in flight when the lease was taken over must
// fail, also on an object that the successor had nothing to undo on.
func TestASuccessorMovesTargetsThatWereOnlyIntended(t *testing.T) {
	s := newSite(t)
	s.run("g")
	_, _, err := s.reconcile("g", WishHold, nil)
	s.must(err)
	_, _, err = s.reconcile("g", WishHold, closing())
	s.must(err)
	g := s.golive("g")
	inFlight, err := Observe(s.ctx, s.admin, s.namespace, g.Status.Changes[1])
	s.must(err)
	undoer := Undoer{Client: s.admin, Live: s.admin, Clock: s.clock, Fence: func(context.Context) error { return nil }}
	if done, err := undoer.Undo(s.ctx, s.namespace, g.Status.Changes); err != nil || !done {
		t.Fatalf("undo: %v %v", done, err)
	}
	after, _ := ValueOf(g.Status.Changes[1].After)
	if err := put(s.ctx, s.admin, g.Status.Changes[1], inFlight, after, nil); !errors.Is(err, errAgain) {
		t.Fatalf("the patch in flight: %v", err)
	}
	s.wantOpen()
}
