// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"fmt"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// settle brings one persisted change to where it is wanted.
func (s *Session) settle(
	ctx context.Context, c *v1alpha1.Change, wanted v1alpha1.ChangeState,
) (bool, *v1alpha1.Change, error) {
	switch wanted {
	case v1alpha1.ChangeUndone:
		return s.back(ctx, c)
	case v1alpha1.ChangeApplied:
		return s.leave(ctx, c)
	}
	if c.State == v1alpha1.ChangeUndone || c.State == v1alpha1.ChangeUndoing {
		return false, nil, fmt.Errorf("change %s was undone; a new run must make it anew", c.ID)
	}
	return s.make(ctx, c)
}

// make applies a change: the third step of the writer's protocol.
func (s *Session) make(ctx context.Context, c *v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	now, err := Observe(ctx, s.writer.Live, s.owner.GetNamespace(), *c)
	if err != nil {
		return false, nil, err
	}
	clock := s.writer.Leases.Clock
	stand := Stand(*c, now)
	if stand == StandsAfter && (c.State != v1alpha1.ChangeIntended || hasNote(now.Object, c.ID)) {
		mark(c, v1alpha1.ChangeApplied, "", clock)
		return true, nil, nil
	}
	if stand == StandsForeign || stand == StandsBefore && c.State != v1alpha1.ChangeIntended {
		// A third value, or ours put back by somebody: never forced.
		mark(c, v1alpha1.ChangeForeign, Rival(*c, now), clock)
		return false, c, nil
	}
	return s.write(ctx, c, now)
}

// write puts a change's value on an object that has the value before.
func (s *Session) write(ctx context.Context, c *v1alpha1.Change, now Observed) (bool, *v1alpha1.Change, error) {
	if err := s.writer.Leases.Fence(ctx, s.owner); err != nil {
		return false, nil, err
	}
	after, err := ValueOf(c.After)
	if err != nil {
		return false, nil, err
	}
	s.wrote = true
	note := noteOf(Identity(s.owner), s.owner.Held().Fence, s.place(c.ID), *c)
	err = put(ctx, s.writer.Client, *c, now, after, with(Notes(now.Object), note))
	var no *refused
	switch {
	case errors.As(err, &no):
		said := *c
		said.Foreign = message.Clip(no.err.Error(), message.Line)
		return false, &said, nil
	case errors.Is(err, errAgain):
		return false, nil, nil
	case err != nil:
		return false, nil, err
	}
	mark(c, v1alpha1.ChangeApplied, "", s.writer.Leases.Clock)
	return true, nil, nil
}

// back puts the value before back.
func (s *Session) back(ctx context.Context, c *v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	if c.State == v1alpha1.ChangeUndone {
		return true, nil, nil
	}
	if s.persisted[c.ID] == v1alpha1.ChangeForeign {
		return s.mended(ctx, c)
	}
	s.wrote = true
	err := s.Undoer().one(ctx, s.owner.GetNamespace(), *s.owner.Journal(), c)
	switch {
	case errors.Is(err, errAgain) && c.Foreign != "":
		return false, c, nil
	case errors.Is(err, errAgain):
		return false, nil, nil
	case err != nil:
		return false, nil, err
	case c.State == v1alpha1.ChangeForeign:
		return true, c, nil
	}
	return true, nil, nil
}

// mended looks again at what somebody else wrote. Where it can be put back
// now, that is recorded before it is done, as for every other change.
func (s *Session) mended(ctx context.Context, c *v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	now, err := Observe(ctx, s.writer.Live, s.owner.GetNamespace(), *c)
	if err != nil {
		return false, nil, err
	}
	if undoing(*c, now) == Leave {
		mark(c, v1alpha1.ChangeForeign, Rival(*c, now), s.writer.Leases.Clock)
		return true, c, nil
	}
	mark(c, v1alpha1.ChangeUndoing, "", s.writer.Leases.Clock)
	s.intended = true
	return false, nil, nil
}

// leave takes our note off an object and lets the value be.
func (s *Session) leave(ctx context.Context, c *v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	now, err := Observe(ctx, s.writer.Live, s.owner.GetNamespace(), *c)
	if err != nil || now.Object == nil || !untidy(now.Object, c.ID) {
		return err == nil, nil, err
	}
	if err := s.writer.Leases.Fence(ctx, s.owner); err != nil {
		return false, nil, err
	}
	s.wrote = true
	err = unnote(ctx, s.writer.Client, *c, now)
	if errors.Is(err, errAgain) {
		return false, nil, nil
	}
	return err == nil, nil, err
}
