// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"fmt"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// A step asks for changes by a list of v1alpha1.Change. What is asked of each
// is told by its State:
//
//	""      make the change stand (Want)
//	Undone  put the value before back (Back)
//	Applied leave the value, take our note off the object (Keep)

// Want asks for a value in a field of a live object. The value must be one
// that JSON can say; anything else is a mistake in the program.
func Want(
	id, kind, name string, field v1alpha1.ChangeField, key string, after any, undo v1alpha1.UndoWhen,
) v1alpha1.Change {
	value, err := NewValue(after)
	if err != nil {
		// Seen by the first test of the step: the writer refuses such a field.
		field = v1alpha1.ChangeField(fmt.Sprintf("unwritable: %v", err))
	}
	return v1alpha1.Change{
		ID: id, Target: v1alpha1.ChangeTarget{Kind: kind, Name: name},
		Field: field, Key: key, After: value.Record(), Undo: undo,
	}
}

// Back asks that changes be put back, newest first.
func Back(changes []v1alpha1.Change) []v1alpha1.Change { return asking(changes, v1alpha1.ChangeUndone) }

// Keep asks that changes stay and that our notes go.
func Keep(changes []v1alpha1.Change) []v1alpha1.Change {
	return asking(changes, v1alpha1.ChangeApplied)
}

func asking(changes []v1alpha1.Change, state v1alpha1.ChangeState) []v1alpha1.Change {
	out := make([]v1alpha1.Change, 0, len(changes))
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		c.State = state
		out = append(out, c)
	}
	return out
}
