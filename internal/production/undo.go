// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Undoer carries out what Reverse says.
type Undoer struct {
	Client client.Client
	Live   client.Reader
	Clock  clock.PassiveClock
	// Fence is asked before every write.
	Fence func(context.Context) error
	// Successor is true for one who took the lease from another: it moves the
	// resourceVersion also of targets whose change was intended and not made,
	// so that a patch which the other still has in flight fails its test.
	Successor bool
}

// Undo puts the changes of a journal back, newest first, and records in it
// what became of each. Done is false when something must be tried again;
// changes under which somebody else writes are left, as Foreign.
func (u Undoer) Undo(ctx context.Context, namespace string, changes []v1alpha1.Change) (done bool, err error) {
	observed, err := ObserveAll(ctx, u.Live, namespace, changes)
	if err != nil {
		return false, err
	}
	done = true
	for _, act := range Reverse(changes, observed) {
		err := u.one(ctx, namespace, &changes[act.Index])
		if errors.Is(err, errAgain) {
			done = false
			continue
		}
		if err != nil {
			return false, err
		}
	}
	return done, nil
}

// one undoes one change, by its live value.
func (u Undoer) one(ctx context.Context, namespace string, c *v1alpha1.Change) error {
	now, err := Observe(ctx, u.Live, namespace, *c)
	if err != nil {
		return err
	}
	switch stand := Stand(*c, now); {
	case stand == StandsForeign:
		// Reported as long as it lasts; a later look may find it mended.
		u.mark(c, v1alpha1.ChangeForeign, Rival(*c, now))
		return nil
	case stand == StandsAfter:
		before, err := ValueOf(c.Before)
		if err != nil {
			return err
		}
		if err := u.Fence(ctx); err != nil {
			return err
		}
		err = put(ctx, u.Client, *c, now, before, without(Notes(now.Object), c.ID))
		var no *refused
		if errors.As(err, &no) {
			u.mark(c, v1alpha1.ChangeForeign, clip(no.Error()))
			return nil
		}
		if err != nil {
			return err
		}
	case hasNote(now.Object, c.ID):
		if err := u.Fence(ctx); err != nil {
			return err
		}
		if err := unnote(ctx, u.Client, *c, now); err != nil {
			return err
		}
	case u.Successor && c.State == v1alpha1.ChangeIntended:
		if err := u.nudge(ctx, namespace, *c, now); err != nil {
			return err
		}
	}
	u.mark(c, v1alpha1.ChangeUndone, "")
	return nil
}

// nudge moves the resourceVersion of an object and leaves it as it was.
func (u Undoer) nudge(ctx context.Context, namespace string, c v1alpha1.Change, now Observed) error {
	if err := u.Fence(ctx); err != nil {
		return err
	}
	mine := with(Notes(now.Object), Note{Owner: "fence", ID: c.ID, Field: c.Field})
	ops, err := writeNotes(now.Object, mine)
	if err != nil {
		return err
	}
	if err := send(ctx, u.Client, now.Object, append(same(now.Object), ops...)); err != nil {
		return err
	}
	if now, err = Observe(ctx, u.Live, namespace, c); err != nil || now.Object == nil {
		return err
	}
	return unnote(ctx, u.Client, c, now)
}

func (u Undoer) mark(c *v1alpha1.Change, state v1alpha1.ChangeState, foreign string) {
	mark(c, state, foreign, u.Clock)
}

// mark records a state, with the time only when it is new.
func mark(c *v1alpha1.Change, state v1alpha1.ChangeState, foreign string, clock clock.PassiveClock) {
	if c.State == state && c.Foreign == foreign {
		return
	}
	now := metav1.NewTime(clock.Now()).Rfc3339Copy()
	c.State, c.Foreign, c.At = state, foreign, &now
}
