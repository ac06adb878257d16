// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/inputs"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// teller tells inputs of a kind to the operator, all in one world.
type teller struct {
	*testing.T
	w     *world.World
	story story
	asker *world.Asker
	good  map[string]any
	// wish is how the good object stands.
	wish string
	// byEdit counts those that recovered without being made again.
	byEdit int
	// lossy says that an input allows a loss.
	lossy bool
}

// tell gives how many inputs recovered.
func tell(t *testing.T, s story, all []inputs.Input) int {
	t.Helper()
	g := gate.New()
	w := begin(t, g, s.kinds)
	defer stopped(t, w)
	good := plainly(t, s.good(w))
	w.Until("rest", func() bool { return w.Rest(2) }) // what the story needs is there
	l := &teller{T: t, w: w, story: s, asker: w.Asker("registrar@campus.example"), good: good}
	g.Before = l.before
	l.post("good", inputs.Input{Kind: all[0].Kind, Object: good})
	l.rest("the good one")
	l.wish, _ = l.stands("good")
	for i, input := range all {
		l.lossy = l.lossy || strings.HasPrefix(input.Field, "spec.maxDataLoss")
		l.post(nameFor(input, i), input)
	}
	l.rest("what is odd")
	for i, input := range all {
		l.judge(nameFor(input, i), input)
	}
	n := l.recovered(all)
	for _, panicked := range w.Panics {
		t.Error(panicked)
	}
	return n
}

// before: bad input never comes to the site. A person may set maxDataLoss, and
// then goes back without being asked again: who holds the site may write.
func (l *teller) before(call gate.Call, _ []byte) {
	o := &oracle{w: l.w}
	if !call.Write || !o.toProduction(call) {
		return
	}
	o.held(call)
	if call.Process == "manager" || len(o.asked) > 0 || !l.lossy {
		l.Errorf("%s writes to the site: %s\n%s", call.Process, call.Site, l.holder())
	}
}

// holder names who holds the site.
func (l *teller) holder() string {
	lease := &coordinationv1.Lease{}
	l.w.Get("gradus-campus", lease)
	return ptr.Deref(lease.Spec.HolderIdentity, "nobody holds it")
}

// nameFor gives every input an object of its own.
func nameFor(input inputs.Input, i int) string {
	if input.Field == "metadata.name" {
		name, _ := input.Object["metadata"].(map[string]any)["name"].(string)
		return name
	}
	return fmt.Sprintf("w-%03d", i)
}

// post makes the object of an input, and what it needs.
func (l *teller) post(name string, input inputs.Input) {
	spec, ok := input.Object["spec"].(map[string]any)
	if ok && l.story.beside != nil {
		l.story.beside(l.w, name, spec)
	}
	body, err := input.Body(name)
	l.w.Must(err)
	if _, err := l.asker.Ask(http.MethodPost, input.Kind.Plural, "", body, false); err != nil {
		l.Errorf("%s: %v", input, err)
	}
}

// rest: whatever was written, the operator comes to rest.
func (l *teller) rest(after string) {
	l.w.Wake()
	for range 10 {
		if l.w.Rest(2) {
			return
		}
	}
	l.Errorf("the operator goes on writing after %s: %s", after, last(l.w.Gate.Trace()))
}

// stands says how an object stands, without times; false when there is none.
func (l *teller) stands(name string) (string, bool) {
	name, object := l.story.told(name)
	if !l.w.Get(name, object) {
		return "it is gone", false
	}
	var out []string
	for _, c := range *object.GetConditions() {
		out = append(out, fmt.Sprintf("%s=%s %s", c.Type, c.Status, c.Reason))
	}
	for _, e := range object.(interface{ GetSteps() []v1alpha1.StepStatus }).GetSteps() {
		out = append(out, fmt.Sprintf("%s %s is %s", e.Name, e.Key, e.State))
	}
	return strings.Join(out, "\n"), true
}

// judge: a condition speaks of what is there now. An error that is tried again
// for ever is none, and neither is a status that the API server refuses.
func (l *teller) judge(name string, input inputs.Input) {
	name, object := l.story.told(name)
	if !l.w.Get(name, object) {
		if !strings.HasSuffix(input.Field, "expires") {
			l.Errorf("%s: it is gone", input)
		}
		return
	}
	ready := meta.FindStatusCondition(*object.GetConditions(), v1alpha1.ReadyCondition)
	switch {
	case ready == nil:
		l.Errorf("%s: accepted, and no condition says how it stands", input)
	case ready.ObservedGeneration != object.GetGeneration():
		l.Errorf("%s: the condition speaks of another generation: %s", input, ready.Message)
	case ready.Reason == v1alpha1.ProgressingWithRetryReason || ready.Reason == "StatusRefused":
		l.Errorf("%s: accepted, and then %s: %s", input, ready.Reason, ready.Message)
	}
}

// recovered puts everything right, by an edit where that helps, else by making
// it again, and counts those that stand as the good one does.
func (l *teller) recovered(all []inputs.Input) int {
	again := map[int]bool{}
	for i, input := range all {
		again[i] = !l.edit(nameFor(input, i), input)
	}
	l.rest("edits")
	for i, input := range all {
		now, _ := l.stands(nameFor(input, i))
		if !again[i] && now == l.wish {
			l.byEdit++
			continue
		}
		again[i] = true
		l.remove(nameFor(input, i), input.Kind)
	}
	l.rest("deletes")
	for i, input := range all {
		if again[i] {
			l.post(fmt.Sprintf("w-%03d", i), inputs.Input{Kind: input.Kind, Object: l.copied()})
		}
	}
	l.rest("putting right")
	n := 0
	for i, input := range all {
		now, _ := l.stands(fmt.Sprintf("w-%03d", i))
		if !again[i] || now == l.wish {
			n++
			continue
		}
		l.Errorf("%s: put right, it does not recover:\n%s", input, lines(l.wish, now))
	}
	return n
}

// copied gives the good object, for one that is made again.
func (l *teller) copied() map[string]any {
	u := unstructured.Unstructured{Object: l.good}
	out := u.DeepCopy().Object
	if ref, ok := out["spec"].(map[string]any)["siteRef"].(map[string]any); ok && l.story.beside != nil {
		ref["name"] = local.Name
	}
	return out
}

// edit puts an object right where it stands; false when it may not be changed.
func (l *teller) edit(name string, input inputs.Input) bool {
	if input.Field == "metadata.name" {
		return false
	}
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(v1alpha1.GroupVersion.String())
	object.SetKind(input.Kind.Name)
	if l.w.Admin.Get(l.w.Context(), l.w.Key(name), object) != nil {
		return false
	}
	good := l.copied()
	if l.story.beside != nil {
		l.story.beside(l.w, name, good["spec"].(map[string]any))
	}
	object.Object["spec"] = good["spec"]
	if strings.HasPrefix(input.Field, "metadata.annotations") || strings.HasPrefix(input.Field, "metadata.labels") {
		object.SetLabels(nil)
		object.SetAnnotations(nil)
	}
	body, err := json.Marshal(object.Object)
	l.w.Must(err)
	_, err = l.asker.Ask(http.MethodPut, input.Kind.Plural, name, body, false)
	return err == nil
}

func (l *teller) remove(name string, kind inputs.Kind) {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind.Name))
	object.ObjectMeta = l.w.Meta(name)
	l.w.Must(client.IgnoreNotFound(l.w.Person.Delete(l.w.Context(), object)))
}
