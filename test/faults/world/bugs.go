// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

//go:build seeds

package world

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

// Churn lets the operator write what is no news, as an operator with a hot loop would.
func (w *World) Churn() {
	site := &v1alpha1.Site{}
	w.Get("campus", site)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"status":{"observedGeneration":1}}`))
	w.Must(w.procs[0].base.Client.Status().Patch(w.ctx, site, patch))
}

// DeletesService lets the operator delete what it did not make.
func (w *World) DeletesService() {
	service := &corev1.Service{}
	w.Get("web", service)
	_ = w.procs[1].base.Delete(w.ctx, service, client.Preconditions{UID: &service.UID})
}

// Redoes lets the operator believe that what it put back still stands.
func (w *World) Redoes() {
	g := &v1alpha1.GoLive{}
	w.Get("go", g)
	for i := range g.Status.Changes {
		if g.Status.Changes[i].State == v1alpha1.ChangeUndone {
			g.Status.Changes[i].State = v1alpha1.ChangeApplied
		}
	}
	w.Must(w.procs[1].base.Client.Status().Update(w.ctx, g))
}

// LetsGo lets the operator take its finalizer off a copy too early.
func (w *World) LetsGo(name string) {
	env := &v1alpha1.StagingEnvironment{}
	w.Get(name, env)
	env.Finalizers = nil
	w.Must(client.IgnoreNotFound(w.Admin.Update(w.ctx, env)))
}

// Exists says whether there is an object of the name in a request already.
func (w *World) Exists(call gate.Call) bool {
	object, err := w.objectOf(call)
	w.Must(err)
	err = w.server.admin.Get(w.ctx, client.ObjectKeyFromObject(object), object)
	w.Must(client.IgnoreNotFound(err))
	return err == nil
}

// ForgetsToAsk lets no reconciler say when it wants to look again.
func (w *World) ForgetsToAsk() { w.forgetful = true }

// NeverWatches lets the watchdog sleep.
func (w *World) NeverWatches() { w.dogBack = w.Clock.Now().Add(24 * time.Hour) }

// Lowers takes the point of no return off the lease, behind the back of everybody.
func (w *World) Lowers() {
	lease := &coordinationv1.Lease{}
	w.Fresh("gradus-campus", lease)
	delete(lease.Annotations, v1alpha1.PointAnnotation)
	_ = w.Behind().Update(w.ctx, lease)
}

// ReadsCaches lets the operator look for live objects in its cache.
func (w *World) ReadsCaches() {
	for _, p := range w.procs {
		p.base.Live = p.base.Client
	}
}
