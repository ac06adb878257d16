// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Await watches one object until done says nothing more is missing. What was
// missing last is in the error when the context ends first.
func Await[T client.Object](ctx context.Context, w *World, obj T, done func(T) (missing string, err error)) (T, error) {
	missing := "it does not exist"
	for {
		stream, err := w.follow(ctx, obj, "")
		if err != nil {
			return obj, ended(ctx, obj, missing, err)
		}
		for event := range stream.ResultChan() {
			seen, ok := event.Object.(T)
			if !ok {
				break // an error of the watch: watch again
			}
			if event.Type == watch.Deleted {
				missing = "it was deleted"
				continue
			}
			if missing, err = done(seen); err != nil || missing == "" {
				stream.Stop()
				return seen, err
			}
		}
		stream.Stop()
		if ctx.Err() != nil {
			return obj, ended(ctx, obj, missing, nil)
		}
	}
}

// AwaitGone watches one object until it is gone.
func AwaitGone(ctx context.Context, w *World, obj client.Object) error {
	for {
		err := w.Get(ctx, client.ObjectKeyFromObject(obj), obj)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("get %T %s: %w", obj, obj.GetName(), err)
		}
		// From what was read on: a watch that begins later has nothing to tell of
		// an object that went in between.
		stream, err := w.follow(ctx, obj, obj.GetResourceVersion())
		if err != nil {
			return ended(ctx, obj, "it is still there", err)
		}
		for event := range stream.ResultChan() {
			if event.Type == watch.Deleted {
				break
			}
		}
		stream.Stop()
		if ctx.Err() != nil {
			return ended(ctx, obj, "it is still there", nil)
		}
	}
}

// follow watches one object by name, from a version on; without one the first
// event tells how it is now.
func (w *World) follow(ctx context.Context, obj client.Object, version string) (watch.Interface, error) {
	kind, err := apiutil.GVKForObject(obj, w.Scheme())
	if err != nil {
		return nil, err
	}
	list, err := w.Scheme().New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return nil, err
	}
	objects, ok := list.(client.ObjectList)
	if !ok {
		return nil, errors.New(kind.Kind + " has no list")
	}
	return w.Watch(ctx, objects, &client.ListOptions{
		Namespace: obj.GetNamespace(), FieldSelector: fields.OneTermEqualSelector("metadata.name", obj.GetName()),
		Raw: &metav1.ListOptions{ResourceVersion: version},
	})
}

func ended(ctx context.Context, obj client.Object, missing string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("wait for %T %s: %s: %w", obj, client.ObjectKeyFromObject(obj), missing, err)
}
