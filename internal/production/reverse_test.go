// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func scaled(id, name string, before, after int, state v1alpha1.ChangeState) v1alpha1.Change {
	c := Want(id, "Deployment", name, v1alpha1.FieldReplicas, "", after, v1alpha1.UndoUntilCommit)
	value, _ := NewValue(before)
	c.Before, c.State, c.Target.UID = value.Record(), state, types.UID("uid-"+name)
	return c
}

func staying(id, name string, before, after int) v1alpha1.Change {
	c := scaled(id, name, before, after, v1alpha1.ChangeApplied)
	c.Undo = v1alpha1.UndoNever
	return c
}

func live(name string, replicas int) Observed {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetName(name)
	object.SetUID(types.UID("uid-" + name))
	value, _ := NewValue(replicas)
	return Observed{Object: object, Value: value}
}

func TestReverse(t *testing.T) {
	tests := map[string]struct {
		changes  []v1alpha1.Change
		observed []Observed
		want     []Act
	}{
		"nothing was changed": {},
		"newest first": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeApplied), scaled("b", "b", 2, 0, v1alpha1.ChangeApplied)},
			[]Observed{live("a", 0), live("b", 0)},
			[]Act{{1, PutBack}, {0, PutBack}},
		},
		"crashed after the intent": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeIntended)}, []Observed{live("a", 1)},
			[]Act{{0, AlreadyBack}},
		},
		"crashed after the patch": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeIntended)}, []Observed{live("a", 0)},
			[]Act{{0, PutBack}},
		},
		"a third value is left": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeApplied)}, []Observed{live("a", 7)},
			[]Act{{0, Leave}},
		},
		"an object made anew is left": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeApplied)}, []Observed{live("other", 0)},
			[]Act{{0, Leave}},
		},
		"an object that is gone is left": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeApplied)}, []Observed{{}},
			[]Act{{0, Leave}},
		},
		"undone stays undone": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeUndone)}, []Observed{live("a", 0)}, nil,
		},
		"what must stay, stays": {
			[]v1alpha1.Change{staying("a", "a", 1, 0)}, []Observed{live("a", 0)}, nil,
		},
		"foreign before, mended since": {
			[]v1alpha1.Change{scaled("a", "a", 1, 0, v1alpha1.ChangeForeign)}, []Observed{live("a", 0)},
			[]Act{{0, PutBack}},
		},
		"two changes of one field are a chain": {
			[]v1alpha1.Change{scaled("a", "a", 3, 0, v1alpha1.ChangeApplied), scaled("b", "a", 0, 5, v1alpha1.ChangeApplied)},
			[]Observed{live("a", 5), live("a", 5)},
			[]Act{{1, PutBack}, {0, PutBack}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Reverse(test.changes, test.observed)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFirstRival(t *testing.T) {
	changes := []v1alpha1.Change{
		scaled("undone", "a", 1, 0, v1alpha1.ChangeUndone), scaled("intended", "b", 1, 0, v1alpha1.ChangeIntended),
		scaled("stands", "c", 1, 0, v1alpha1.ChangeApplied), scaled("put back", "d", 1, 0, v1alpha1.ChangeApplied),
	}
	rival := FirstRival(changes, []Observed{live("a", 5), live("b", 1), live("c", 0), live("d", 1)})
	if rival == nil || rival.ID != "put back" {
		t.Fatalf("rival is %v", rival)
	}
	if rival.Foreign == "" {
		t.Error("the rival has no name")
	}
	if FirstRival(changes[:3], []Observed{live("a", 5), live("b", 1), live("c", 0)}) != nil {
		t.Error("a rival where there is none")
	}
}
