// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// patience is how many ticks, of five seconds each, somebody else keeps what is theirs.
const patience = 4

// finalizer and mark of somebody else.
const (
	finalizer = "campus.example/hold"
	theirMark = "campus.example/mark"
)

// rival is what somebody else did to an object.
type rival struct {
	kind   gate.Kind
	call   gate.Call
	object *unstructured.Unstructured
	ends   int
}

// meddle lets somebody else act on the object of a request.
func (w *World) meddle(kind gate.Kind, call gate.Call, body []byte) {
	object, err := w.objectOf(call)
	w.Must(err)
	switch kind {
	case gate.Squat:
		w.Must(json.Unmarshal(body, &object.Object))
		for _, ours := range []string{"annotations", "ownerReferences", "finalizers"} {
			unstructured.RemoveNestedField(object.Object, "metadata", ours)
		}
		object.SetLabels(map[string]string{theirMark: "yes"}) // without any a Job would take those of its pods
		if err = w.server.admin.Create(w.ctx, object); apierrors.IsForbidden(err) {
			return // a quota keeps them out, too
		}
	case gate.Hold:
		err = w.finalizers(object, func(all []string) []string { return append(all, finalizer) })
	case gate.Mark, gate.Touch:
		err = w.patch(object, `{"metadata":{"labels":{"`+theirMark+`":"yes"},"annotations":{"`+theirMark+`":"yes"}}}`)
	case gate.Strip:
		err = w.patch(object, `{"metadata":{"ownerReferences":null}}`)
	}
	w.Must(client.IgnoreNotFound(err))
	w.memo.forget(call.Resource)
	w.rivals = append(w.rivals, rival{kind, call, object, w.Ticks + patience})
}

// objectOf names the object of a request.
func (w *World) objectOf(call gate.Call) (*unstructured.Unstructured, error) {
	gvk, err := w.server.mapper.KindFor(schema.GroupVersionResource{Group: call.Group, Resource: call.Resource})
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	object.SetNamespace(call.Namespace)
	object.SetName(call.Name)
	return object, err
}

func (w *World) patch(object *unstructured.Unstructured, merge string) error {
	return w.server.admin.Patch(w.ctx, object, client.RawPatch("application/merge-patch+json", []byte(merge)))
}

// finalizers changes those of an object.
func (w *World) finalizers(object *unstructured.Unstructured, change func([]string) []string) error {
	if err := w.server.admin.Get(w.ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return err
	}
	object.SetFinalizers(change(object.GetFinalizers()))
	return w.server.admin.Update(w.ctx, object)
}

// retreat ends what others did long enough.
func (w *World) retreat() {
	var inTheWay []string
	for _, r := range w.rivals {
		if r.kind == gate.Squat {
			inTheWay = append(inTheWay, r.call.Name)
		}
	}
	w.rivals = slices.DeleteFunc(w.rivals, func(r rival) bool {
		if r.ends > w.Ticks {
			return false
		}
		switch r.kind {
		case gate.Squat:
			w.squatted(r, inTheWay)
		case gate.Hold:
			err := w.finalizers(r.object, func(all []string) []string {
				return slices.DeleteFunc(all, func(f string) bool { return f == finalizer })
			})
			w.Must(client.IgnoreNotFound(err))
			w.memo.forget(r.call.Resource)
		}
		return true
	})
}

// squatted looks whether the object of somebody else is as they made it, and
// whether anybody was told of it, or of the first of several that are in the way; then they
// take it away.
func (w *World) squatted(r rival, inTheWay []string) {
	now, err := w.objectOf(r.call)
	w.Must(err)
	err = w.server.admin.Get(w.ctx, client.ObjectKeyFromObject(now), now)
	switch {
	case apierrors.IsNotFound(err):
		w.Neglected = append(w.Neglected, fmt.Sprintf("%s %s of somebody else was deleted", r.call.Resource, r.call.Name))
		return
	case err != nil:
		w.Must(err)
	case now.GetUID() != r.object.GetUID():
		w.Neglected = append(w.Neglected, fmt.Sprintf("%s %s of somebody else was made anew", r.call.Resource, r.call.Name))
	case !maps.Equal(now.GetLabels(), r.object.GetLabels()) || len(now.GetOwnerReferences()) > 0:
		w.Neglected = append(w.Neglected, fmt.Sprintf("%s %s of somebody else was adopted", r.call.Resource, r.call.Name))
	}
	if !slices.ContainsFunc(inTheWay, w.toldOf) {
		w.Neglected = append(w.Neglected,
			fmt.Sprintf("no condition tells of %s %s of somebody else, that is in the way", r.call.Resource, r.call.Name))
	}
	background := client.PropagationPolicy(metav1.DeletePropagationBackground)
	w.Must(client.IgnoreNotFound(w.server.admin.Delete(w.ctx, now, background)))
	// A volume that it asked for by name is not its own.
	asked, _, err := unstructured.NestedString(r.object.Object, "spec", "volumeName")
	w.Must(err)
	if r.call.Resource == "persistentvolumeclaims" && asked == "" {
		w.reclaim(r.call.Namespace, r.call.Name)
	}
	if ns := (&corev1.Namespace{}); r.call.Resource == "namespaces" {
		w.Must(w.server.admin.Get(w.ctx, client.ObjectKeyFromObject(now), ns))
		ns.Spec.Finalizers = nil
		w.Must(w.server.admin.SubResource("finalize").Update(w.ctx, ns))
	}
	w.memo.forgetUnheard(r.call.Resource)
}

// toldOf says whether a condition of ours has a name in it.
func (w *World) toldOf(name string) bool {
	for _, list := range kinds() {
		w.FreshList(w.Namespace, list)
		for _, item := range itemsOf(list) {
			for _, c := range *item.(conditioned).GetConditions() {
				if strings.Contains(c.Message, name) {
					return true
				}
			}
		}
	}
	return false
}

// conditioned is any object that tells of itself.
type conditioned interface{ GetConditions() *[]metav1.Condition }
