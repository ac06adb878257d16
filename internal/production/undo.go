// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// Undoer puts changes back.
type Undoer struct {
	Client client.Client
	Live   client.Reader
	Clock  clock.PassiveClock
	// Fence is asked before every write.
	Fence func(context.Context) error
	// Nudged remembers, by id, for who does not keep the journal, which changes
	// that were only intended can arrive no more.
	Nudged map[string]bool
}

// Undo puts the changes of a journal back, newest first, and records in it
// what became of each. Done is false when something must be tried again: what
// the API server refuses stays Undoing, with the reason (Refused). Changes under
// which somebody else writes are left, as Foreign. One that fails, or whose
// target may not be read, does not keep the others from being put back.
func (u Undoer) Undo(ctx context.Context, namespace string, changes []v1alpha1.Change) (done bool, err error) {
	done = true
	var failed []error
	for _, i := range due(changes) {
		err := u.one(ctx, namespace, changes, &changes[i])
		switch {
		case err == nil:
			continue
		case errors.Is(err, ErrLeaseLost):
			return false, err
		case !errors.Is(err, errAgain):
			failed = append(failed, err)
		}
		done = false
	}
	return done, errors.Join(failed...)
}

// one undoes one change of a journal, by its live value. What cannot be done now
// is errAgain; the change says why where the reason is not a mere race.
func (u Undoer) one(ctx context.Context, namespace string, journal []v1alpha1.Change, c *v1alpha1.Change) error {
	now, err := Observe(ctx, u.Live, namespace, *c)
	switch {
	case apierrors.IsForbidden(err): // as if the write were refused: people must be told which
		u.mark(c, v1alpha1.ChangeUndoing, message.Clip(err.Error(), message.Line))
		return errAgain
	case err != nil:
		return err
	}
	verb := undoing(*c, now)
	if verb == PutBack && c.Field == v1alpha1.FieldSelector && u.leadsNowhere(ctx, namespace, *c, journal) {
		u.mark(c, v1alpha1.ChangeUndoing, "") // what it waits for says why
		return errAgain
	}
	switch verb {
	case Leave:
		// Reported as long as it lasts; a later look may find it mended.
		u.mark(c, v1alpha1.ChangeForeign, message.Clip(Rival(*c, now), message.Line))
		return nil
	case Hold:
		u.mark(c, v1alpha1.ChangeUndoing, message.Clip("mixed with what "+Rival(*c, now)+" wrote", message.Line))
		return errAgain
	case PutBack:
		err = u.putBack(ctx, *c, now)
	default:
		err = u.tidy(ctx, namespace, *c, now)
	}
	var no *refused
	switch {
	case errors.As(err, &no):
		// Not done: whoever refuses it now may let it pass later, and until then
		// the site is as we left it.
		u.mark(c, v1alpha1.ChangeUndoing, message.Clip(no.err.Error(), message.Line))
		return errAgain
	case err != nil:
		return err
	}
	u.mark(c, v1alpha1.ChangeUndone, "")
	return nil
}

// putBack writes the value before.
func (u Undoer) putBack(ctx context.Context, c v1alpha1.Change, now Observed) error {
	before, err := ValueOf(c.Before)
	if err != nil {
		return err
	}
	if err := u.Fence(ctx); err != nil {
		return err
	}
	return put(ctx, u.Client, c, now, before, without(Notes(now.Object), c.ID))
}

// tidy sees to an object that has the value before. A change that was never
// seen made may still be under way: from a process that stands still, or in a
// request that is not answered yet. The lease does not stop it, for it names
// the run and not the process.
func (u Undoer) tidy(ctx context.Context, namespace string, c v1alpha1.Change, now Observed) error {
	unseen := c.State == v1alpha1.ChangeIntended || c.State == v1alpha1.ChangeUndoing
	switch {
	case untidy(now.Object, c.ID):
		if err := u.Fence(ctx); err != nil {
			return err
		}
		return unnote(ctx, u.Client, c, now)
	case unseen && !u.Nudged[c.ID]:
		return u.nudge(ctx, namespace, c, now)
	}
	return nil
}

// nudge moves the resourceVersion of an object and leaves it as it was, so
// that a patch of ours which is still under way fails its test. Two writes.
func (u Undoer) nudge(ctx context.Context, namespace string, c v1alpha1.Change, now Observed) error {
	if err := u.Fence(ctx); err != nil {
		return err
	}
	mine := with(Notes(now.Object), Note{Owner: fence, ID: c.ID, Field: c.Field})
	ops, err := writeNotes(now.Object, mine)
	if err != nil {
		return err
	}
	if err := send(ctx, u.Client, now.Object, append(same(now.Object), ops...)); err != nil {
		return err
	}
	if u.Nudged != nil {
		u.Nudged[c.ID] = true
	}
	if now, err = Observe(ctx, u.Live, namespace, c); err != nil || now.Object == nil {
		return err
	}
	// Whoever stood still in between may have to do with another run's note by now.
	if err := u.Fence(ctx); err != nil {
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
