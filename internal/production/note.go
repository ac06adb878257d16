// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Note is what Gradus leaves on an object of production with every change that
// is not undone yet, in the annotation lms.gradus.dev/held (a JSON list). It
// makes undoing possible even when the journal is lost.
type Note struct {
	// Owner is kind/name/uid of the GoLive or Rollback.
	Owner string `json:"owner"`
	// Fence is the lease's number under which the change was made.
	Fence int32 `json:"fence"`
	// N is the place in the journal, so that the newest is undone first.
	N      int                  `json:"n"`
	ID     string               `json:"id"`
	Field  v1alpha1.ChangeField `json:"field"`
	Key    string               `json:"key,omitempty"`
	Before json.RawMessage      `json:"before,omitempty"`
	After  json.RawMessage      `json:"after,omitempty"`
}

// Notes reads our notes on a live object. A note that cannot be read is
// somebody else's doing and counts as none.
func Notes(object *unstructured.Unstructured) []Note {
	notes, err := notesIn(object.GetAnnotations())
	if err != nil {
		return nil
	}
	return notes
}

// notesIn reads notes from annotations; none where there is no annotation of ours.
func notesIn(annotations map[string]string) (notes []Note, err error) {
	if text, ok := annotations[v1alpha1.HeldAnnotation]; ok {
		err = json.Unmarshal([]byte(text), &notes)
	}
	return notes, err
}

// Change turns a note back into the change that left it.
func (n Note) Change(object *unstructured.Unstructured) (v1alpha1.Change, error) {
	before, err := NewValue(n.Before)
	if err != nil {
		return v1alpha1.Change{}, err
	}
	after, err := NewValue(n.After)
	if err != nil {
		return v1alpha1.Change{}, err
	}
	return v1alpha1.Change{
		ID: n.ID, Step: "Recovered", Field: n.Field, Key: n.Key,
		Target: v1alpha1.ChangeTarget{Kind: object.GetKind(), Name: object.GetName(), UID: object.GetUID()},
		Before: before.Record(), After: after.Record(),
		Undo: v1alpha1.UndoUntilCommit, State: v1alpha1.ChangeApplied,
	}, nil
}

// noteOf makes the note of a change.
func noteOf(owner string, fence int32, n int, c v1alpha1.Change) Note {
	note := Note{Owner: owner, Fence: fence, N: n, ID: c.ID, Field: c.Field, Key: c.Key}
	if c.Before != nil {
		note.Before = json.RawMessage(c.Before.Raw)
	}
	if c.After != nil {
		note.After = json.RawMessage(c.After.Raw)
	}
	return note
}

// fence is the owner of a note that only moves an object, see nudge.
const fence = "fence"

// with adds a note, in the place of an older one of the same change.
func with(notes []Note, note Note) []Note { return append(without(notes, note.ID), note) }

// without leaves out the note of a change, and what a nudge left.
func without(notes []Note, id string) []Note {
	return slices.DeleteFunc(slices.Clone(notes), func(n Note) bool { return n.ID == id || n.Owner == fence })
}

// Noted tells by the annotations of an object whether a change to it is not undone yet. A
// note that cannot be read counts; what a nudge left does not: whoever made it stood still
// before they took it away, and somebody else was done meanwhile.
func Noted(annotations map[string]string) bool {
	notes, err := notesIn(annotations)
	return err != nil || slices.ContainsFunc(notes, func(n Note) bool { return n.Owner != fence })
}

// hasNote tells whether the note of a change is on the object.
func hasNote(object *unstructured.Unstructured, id string) bool {
	return slices.ContainsFunc(Notes(object), func(n Note) bool { return n.ID == id && n.Owner != fence })
}

// untidy tells whether the object has what unnote takes off: the note of a change, or what
// a nudge leaves between its writes.
func untidy(object *unstructured.Unstructured, id string) bool {
	notes := Notes(object)
	return len(without(notes, id)) < len(notes)
}

// Holds tells whether the object still has the note that an owner left with a
// change: what nobody put back yet.
func Holds(o Observed, owner, id string) bool {
	return o.Object != nil && slices.ContainsFunc(Notes(o.Object), func(n Note) bool {
		return n.ID == id && n.Owner == owner
	})
}

// writeNotes gives the operations that leave these notes; none of ours left
// means no annotation.
func writeNotes(object *unstructured.Unstructured, notes []Note) ([]operation, error) {
	var value any
	if len(notes) > 0 {
		text, err := json.Marshal(notes)
		if err != nil {
			return nil, fmt.Errorf("encode note: %w", err)
		}
		value = string(text)
	}
	return setPath(object.Object, []string{"metadata", "annotations", v1alpha1.HeldAnnotation}, value)
}
