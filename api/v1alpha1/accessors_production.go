// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// The methods below let one writer of production serve both kinds that may
// write it.

// SiteName names the Site whose production is written.
func (g *GoLive) SiteName() string { return g.Spec.SiteRef.Name }

// Journal gives the record of changes, to be written.
func (g *GoLive) Journal() *[]Change { return &g.Status.Changes }

// Held gives the lease that the status claims to hold, or nil.
func (g *GoLive) Held() *HeldLease { return g.Status.Lease }

// SetHeld records the lease held; nil when nothing is.
func (g *GoLive) SetHeld(lease *HeldLease) { g.Status.Lease = lease }

// SiteName names the Site whose production is written.
func (r *Rollback) SiteName() string { return r.Spec.SiteRef.Name }

// Journal gives the record of changes, to be written.
func (r *Rollback) Journal() *[]Change { return &r.Status.Changes }

// Held gives the lease that the status claims to hold, or nil.
func (r *Rollback) Held() *HeldLease { return r.Status.Lease }

// SetHeld records the lease held; nil when nothing is.
func (r *Rollback) SetHeld(lease *HeldLease) { r.Status.Lease = lease }
