// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

// Wake is a kind whose changes wake a reconciler, besides its own. Of all else that it
// reads nobody tells it: whoever waits for that says when to look again.
type Wake struct {
	// Of any object of the kind.
	Of client.Object
	// By says whom an object wakes.
	By handler.EventHandler
	// When narrows what counts as a change.
	When []builder.WatchesOption
}

// woken starts a controller of a kind with what wakes it.
func woken(mgr ctrl.Manager, of client.Object, wakes []Wake) *ctrl.Builder {
	b := ctrl.NewControllerManagedBy(mgr).For(of)
	for _, w := range wakes {
		b = b.Watches(w.Of, w.By, w.When...)
	}
	return b
}
