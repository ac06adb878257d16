// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"maps"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Verb is what undoing one change needs.
type Verb string

// Verbs of undoing.
const (
	// PutBack: the change stands; write the value before.
	PutBack Verb = "PutBack"
	// AlreadyBack: the value before is there; nothing but our note can be left.
	AlreadyBack Verb = "AlreadyBack"
	// Leave: somebody else writes the field; never forced.
	Leave Verb = "Leave"
	// Hold: what somebody else wrote still has what we wrote in it. It can
	// neither be put back over him nor be left.
	Hold Verb = "Hold"
)

// due lists which changes of a journal are to be undone, newest first, by
// their place. It is pure, and the one place that says so: steps, finalizers,
// the watchdog and people's tools share it. Several changes of one field are a
// chain: each is looked at when its successor is back. What must stay
// (UndoNever) is only ever put back by a step that asks for it by name.
func due(changes []v1alpha1.Change) []int {
	var places []int
	for i := len(changes) - 1; i >= 0; i-- {
		if c := changes[i]; c.State != v1alpha1.ChangeUndone && c.Undo != v1alpha1.UndoNever {
			places = append(places, i)
		}
	}
	return places
}

// undoing says what undoing a change needs, by the live value alone.
func undoing(c v1alpha1.Change, o Observed) Verb {
	switch Stand(c, o) {
	case StandsAfter:
		return PutBack
	case StandsBefore:
		return AlreadyBack
	}
	rest, ours := beside(c, o)
	before, err := ValueOf(c.Before)
	switch {
	case !ours:
		return Leave
	case err != nil || o.Object.GetUID() != c.Target.UID || !within(rest, before):
		return Hold
	}
	return PutBack
}

// beside tells whether a door's selector is still ours, and what else is in it.
// An apply merges its own labels beside ours: such a selector finds no pod, so
// that the site would stay closed for ever if it counted as somebody's wish. A
// selector with nothing of ours leads users where its writer wants them.
func beside(c v1alpha1.Change, o Observed) (rest map[string]any, ours bool) {
	if c.Field != v1alpha1.FieldSelector || !o.writable() {
		return nil, false
	}
	after, err := ValueOf(c.After)
	if err != nil {
		return nil, false
	}
	mine, now := after.object(), o.Value.object()
	rest = maps.Clone(now)
	for key, value := range mine {
		if now[key] != value {
			return nil, false
		}
		delete(rest, key)
	}
	return rest, len(mine) > 0
}

// StillOurs says whether an object has what a change wrote: as it was written, or in a door's
// selector with what an apply merged beside it. Users are shut out by either.
func StillOurs(c v1alpha1.Change, o Observed) bool {
	_, mixed := beside(c, o)
	same := c.Target.UID == "" || o.Object != nil && o.Object.GetUID() == c.Target.UID
	return Stand(c, o) == StandsAfter || mixed && same
}

// leads says whether a selector has all entries of a page's, whatever is beside them.
func leads(selector, page Value) bool {
	entries := page.object()
	return len(entries) > 0 && within(entries, selector)
}

// within says whether every entry is one of a value's.
func within(entries map[string]any, value Value) bool {
	all := value.object()
	for key, entry := range entries {
		if all[key] != entry {
			return false
		}
	}
	return true
}

// Refused gives the first change that is to be put back and cannot be, with
// the reason: the API server says no, or somebody else's value is mixed with ours.
func Refused(changes []v1alpha1.Change) *v1alpha1.Change {
	for i := range changes {
		if changes[i].State == v1alpha1.ChangeUndoing && changes[i].Foreign != "" {
			return &changes[i]
		}
	}
	return nil
}

// Open gives the changes that are not undone: what is held on production.
func Open(changes []v1alpha1.Change) []v1alpha1.Change {
	var out []v1alpha1.Change
	for _, c := range changes {
		if c.State != v1alpha1.ChangeUndone {
			out = append(out, c)
		}
	}
	return out
}

// FirstRival gives the first change that was applied and does not stand any
// more, with the name of who writes there.
func FirstRival(changes []v1alpha1.Change, observed []Observed) *v1alpha1.Change {
	for i, c := range changes {
		if c.State != v1alpha1.ChangeApplied && c.State != v1alpha1.ChangeForeign {
			continue
		}
		if Stand(c, observed[i]) == StandsAfter || endedCron(c, observed[i]) {
			continue
		}
		c.State, c.Foreign = v1alpha1.ChangeForeign, Rival(c, observed[i])
		return &c
	}
	return nil
}

// LedPast says whether users are led elsewhere than to the holding page that a change put in
// their door.
func LedPast(changes []v1alpha1.Change, observed []Observed) bool {
	for i, c := range changes {
		made := c.State == v1alpha1.ChangeApplied || c.State == v1alpha1.ChangeForeign
		if c.Field == v1alpha1.FieldSelector && made && observed[i].Object != nil && !StillOurs(c, observed[i]) {
			return true
		}
	}
	return false
}

// endedCron says that a CronJob was deleted: it starts nothing any more, which
// is all that the change was for.
func endedCron(c v1alpha1.Change, o Observed) bool {
	return c.Target.Kind == "CronJob" && o.Object == nil
}
