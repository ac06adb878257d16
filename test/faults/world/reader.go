// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reader is a client that does not decode the same answer twice: that is what a run would
// do most of the time, for everything is looked at in every tick.
type reader struct {
	client.Client
	memo *memo
	// read is what was read of late, by kind and what was asked.
	read map[string]decoded
}

// decoded is an answer as an object.
type decoded struct {
	latest
	object runtime.Object
}

// Get reads one object.
func (r *reader) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	ask := func() error { return r.Client.Get(ctx, key, into, opts...) }
	if len(opts) > 0 {
		return ask()
	}
	return r.once(fmt.Sprintf("%T %s", into, key), into, ask)
}

// List reads several; those of an older version are not remembered.
func (r *reader) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	ask := func() error { return r.Client.List(ctx, into, opts...) }
	if o.Raw != nil || o.Limit != 0 || o.Continue != "" {
		return ask()
	}
	return r.once(fmt.Sprintf("%T %s %v %v", into, o.Namespace, o.LabelSelector, o.FieldSelector), into, ask)
}

func (r *reader) once(what string, into runtime.Object, ask func() error) error {
	if was, ok := r.read[what]; ok && r.memo.holds(was.latest) {
		r.memo.note(was.resource, was.key, false)
		reflect.ValueOf(into).Elem().Set(reflect.ValueOf(was.object.DeepCopyObject()).Elem())
		return nil
	}
	delete(r.read, what)
	if err := ask(); err != nil {
		return err
	}
	if read := r.memo.latest(); read.answer != nil {
		r.read[what] = decoded{read, into.DeepCopyObject()}
	}
	return nil
}
