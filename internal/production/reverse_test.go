// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
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

func TestWhatIsDueToBeUndone(t *testing.T) {
	changes := []v1alpha1.Change{
		scaled("oldest", "a", 3, 0, v1alpha1.ChangeApplied), staying("what must stay, stays", "a", 1, 0),
		scaled("undone stays undone", "a", 1, 0, v1alpha1.ChangeUndone), scaled("newest", "b", 2, 0, v1alpha1.ChangeIntended),
	}
	if diff := cmp.Diff([]int{3, 0}, due(changes)); diff != "" {
		t.Error(diff)
	}
}

func TestUndoing(t *testing.T) {
	tests := map[string]struct {
		state    v1alpha1.ChangeState
		observed Observed
		want     Verb
	}{
		"it stands":                      {v1alpha1.ChangeApplied, live("a", 0), PutBack},
		"crashed after the intent":       {v1alpha1.ChangeIntended, live("a", 1), AlreadyBack},
		"crashed after the patch":        {v1alpha1.ChangeIntended, live("a", 0), PutBack},
		"a third value is left":          {v1alpha1.ChangeApplied, live("a", 7), Leave},
		"an object made anew is left":    {v1alpha1.ChangeApplied, live("other", 0), Leave},
		"an object that is gone is left": {v1alpha1.ChangeApplied, Observed{}, Leave},
		"foreign before, mended since":   {v1alpha1.ChangeForeign, live("a", 0), PutBack},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := undoing(scaled("a", "a", 1, 0, test.state), test.observed); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
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

// Another run's page shuts the site also where an apply merged its labels beside it.
func TestShutBy(t *testing.T) {
	note := `[{"owner":"GoLive/other/u","id":"door","field":"Selector","before":{"app":"web"},"after":%s}]`
	page := Want("door", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"holding": "other"}, v1alpha1.UndoUntilCommit)
	page.State = v1alpha1.ChangeApplied
	for name, test := range map[string]struct {
		after    string
		selector map[string]string
		journal  []v1alpha1.Change
		want     string
	}{
		"the page":                  {`{"holding":"other"}`, map[string]string{"holding": "other"}, nil, "GoLive/other/u"},
		"the page, merged":          {`{"holding":"other"}`, map[string]string{"holding": "other", "app": "web"}, nil, "GoLive/other/u"},
		"put back, and a note left": {`{"holding":"other"}`, map[string]string{"app": "web"}, nil, ""},
		"a page of no labels":       {`{}`, map[string]string{"app": "web"}, nil, ""},
		"taken over":                {`{"holding":"other"}`, map[string]string{"holding": "other"}, []v1alpha1.Change{page}, ""},
		"taken over, and merged":    {`{"holding":"other"}`, map[string]string{"holding": "other", "app": "web"}, []v1alpha1.Change{page}, ""},
	} {
		door := &corev1.Service{Spec: corev1.ServiceSpec{Selector: test.selector}}
		door.Annotations = map[string]string{v1alpha1.HeldAnnotation: fmt.Sprintf(note, test.after)}
		owner := &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{Changes: test.journal}}
		if run, command := ShutBy(owner, door); run != test.want || (command != "") != (run != "") {
			t.Errorf("%s: %q, %q", name, run, command)
		}
	}
}

// What a nudge left, whose process died between its two writes, holds nothing.
func TestNoted(t *testing.T) {
	for text, want := range map[string]bool{
		`[{"owner":"GoLive/autumn/u","id":"quiet-web"}]`:                                    true,
		`[{"owner":"fence","id":"quiet-web"},{"owner":"GoLive/autumn/u","id":"scale-web"}]`: true,
		`[{"owner":"fence","id":"quiet-web"}]`:                                              false,
		`nothing that we wrote`:                                                             true,
	} {
		if got := Noted(map[string]string{v1alpha1.HeldAnnotation: text}); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	if Noted(nil) {
		t.Error("an object without annotations is noted")
	}
	left := []Note{{Owner: fence, ID: "quiet-web"}, {Owner: "GoLive/autumn/u", ID: "scale-web"}}
	if got := without(left, "scale-web"); len(got) > 0 {
		t.Errorf("%v is left", got)
	}
}
