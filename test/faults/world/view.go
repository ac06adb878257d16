// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

// view is the cache of one life of a process. It shows what the manager's would,
// and where it lags what the API server had at an older version. It sends no
// request through the gate, as reads of a cache are none.
type view struct {
	client.Client
	mapper meta.RESTMapper
	life   *gate.Process
	lags   []lag
}

// lag is how far a view is behind.
type lag struct {
	// resource that is behind; empty is all.
	resource string
	// version that is shown.
	version string
	until   time.Time
	// heals is after how many changes of the resource it is over, too; 0 is never.
	heals int
}

// selectors are those of the cache, by kind.
var selectors = func() map[schema.GroupVersionKind]labels.Selector {
	out := map[schema.GroupVersionKind]labels.Selector{}
	for object, by := range controllers.CacheOptions().ByObject {
		gvk, err := apiutil.GVKForObject(object, scheme)
		if err != nil {
			panic(err)
		}
		out[gvk] = by.Label
	}
	return out
}()

// at asks for what was at a version; empty is now.
type at string

func (a at) ApplyToList(o *client.ListOptions) {
	if a != "" {
		o.Raw = &metav1.ListOptions{ResourceVersion: string(a), ResourceVersionMatch: metav1.ResourceVersionMatchExact}
	}
}

// shown says which version of a kind is shown.
func (v *view) shown(gvk schema.GroupVersionKind) (at, error) {
	mapping, err := v.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return "", err
	}
	for _, l := range v.lags {
		if l.resource == "" || l.resource == mapping.Resource.Resource {
			return at(l.version), nil
		}
	}
	return "", nil
}

// Get is for client.CacheOptions.
func (v *view) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if v.life.Dead() {
		return gate.Dead
	}
	gvk, err := apiutil.GVKForObject(into, v.Scheme())
	if err != nil {
		return err
	}
	version, err := v.shown(gvk)
	if err != nil {
		return err
	}
	if version != "" {
		return v.once(ctx, gvk, version, key, into)
	}
	if err := v.Client.Get(ctx, key, into); err != nil {
		return err
	}
	if which := selectors[gvk]; which != nil && !which.Matches(labels.Set(into.GetLabels())) {
		return absent(gvk, key)
	}
	return nil
}

// once reads an object as it was: only lists are told of old versions.
func (v *view) once(
	ctx context.Context, gvk schema.GroupVersionKind, version at, key client.ObjectKey, into client.Object,
) error {
	made, err := v.Scheme().New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err != nil {
		return err
	}
	list := made.(client.ObjectList)
	named := client.MatchingFields{metav1.ObjectNameField: key.Name}
	if err := v.Client.List(ctx, list, selected(gvk), client.InNamespace(key.Namespace), named, version); err != nil {
		return err
	}
	items := itemsOf(list)
	if len(items) == 0 {
		return absent(gvk, key)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(items[0]).Elem())
	return nil
}

func absent(gvk schema.GroupVersionKind, key client.ObjectKey) error {
	return apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, key.String())
}

// List is for client.CacheOptions.
func (v *view) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	if v.life.Dead() {
		return gate.Dead
	}
	gvk, err := apiutil.GVKForObject(into, v.Scheme())
	if err != nil {
		return err
	}
	gvk.Kind = gvk.Kind[:len(gvk.Kind)-len("List")]
	version, err := v.shown(gvk)
	if err != nil {
		return err
	}
	return v.Client.List(ctx, into, slices.Concat(opts, []client.ListOption{selected(gvk), version})...)
}

// selected narrows a list to what the cache has of a kind.
type selected schema.GroupVersionKind

func (s selected) ApplyToList(o *client.ListOptions) {
	which := selectors[schema.GroupVersionKind(s)]
	switch {
	case which == nil:
	case o.LabelSelector == nil:
		o.LabelSelector = which
	default:
		only, _ := which.Requirements()
		o.LabelSelector = o.LabelSelector.Add(only...)
	}
}

// lag lets views lag, right before a request.
func (w *World) lag(kind gate.Kind, call gate.Call) {
	now, until := w.version(), w.Clock.Now().Add(w.Lag)
	for _, p := range w.procs {
		switch {
		case kind == gate.Missed:
			next := w.memo.changes(call.Resource) + 2
			p.view.lags = append(p.view.lags, lag{resource: call.Resource, version: now, until: until, heals: next})
		case p.name != call.Process:
		case kind == gate.Stale:
			p.view.lags = []lag{{version: now, until: until}}
		case kind == gate.TimeTravel:
			p.travels = w.versions[0]
		}
	}
}

// catchUp lets views show again what is. While one lags its objects do not rest:
// something always wakes a reconciler at the wrong moment.
func (w *World) catchUp() {
	for _, p := range w.procs {
		if len(p.view.lags) > 0 {
			p.idle = map[string]idle{}
		}
		p.view.lags = slices.DeleteFunc(p.view.lags, func(l lag) bool {
			return !w.Clock.Now().Before(l.until) || l.heals > 0 && w.memo.changes(l.resource) >= l.heals
		})
	}
	if w.Gate.Plans(gate.TimeTravel) { // who asks for nothing else would ask for this in every tick
		w.versions = append(w.versions, w.version())
		w.versions = w.versions[max(0, len(w.versions)-w.lagTicks()):]
	}
}

// lagTicks gives Lag in ticks.
func (w *World) lagTicks() int { return int(w.Lag / tick) }

// version of the API server. Events are not cached there: the answer is not
// waited for.
func (w *World) version() string {
	var events corev1.EventList
	w.Must(w.server.admin.List(w.ctx, &events, client.InNamespace(w.Namespace), client.Limit(1)))
	return events.ResourceVersion
}
