// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
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
)

// Act undoes the change at Index of the journal.
type Act struct {
	Index int
	Verb  Verb
}

// Reverse says how a journal is undone, newest first. It is pure, and the one
// place that says so: steps, finalizers, the watchdog and people's tools share
// it. Several changes of one field are undone as a chain: each finds the value
// that the undoing of its successor leaves. What must stay (UndoNever) is only
// ever put back by a step that asks for it by name.
func Reverse(changes []v1alpha1.Change, observed []Observed) []Act {
	var acts []Act
	left := map[string]Value{}
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		if c.State == v1alpha1.ChangeUndone || c.Undo == v1alpha1.UndoNever {
			continue
		}
		now := observed[i]
		place := c.Target.Kind + "/" + c.Target.Name + "/" + string(c.Field) + "/" + c.Key
		if value, ok := left[place]; ok && c.Field != v1alpha1.FieldTemplate {
			now.Value = value
		}
		verb := Leave
		switch Stand(c, now) {
		case StandsAfter:
			verb = PutBack
			if before, err := ValueOf(c.Before); err == nil {
				left[place] = before
			}
		case StandsBefore:
			verb = AlreadyBack
		}
		acts = append(acts, Act{Index: i, Verb: verb})
	}
	return acts
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
		if Stand(c, observed[i]) == StandsAfter {
			continue
		}
		c.State, c.Foreign = v1alpha1.ChangeForeign, Rival(c, observed[i])
		return &c
	}
	return nil
}
