// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// reopens is how long a site may be closed after its operator went, before the
// point of no return: the lease runs out, and a minute later users are in.
const reopens = 2*time.Minute + time.Minute

// away looks at the site while nobody of the operator is there, each time.
type away struct {
	w *world.World
	// site as it was when no run held it, and as the operator left it.
	start, left map[string]string
	since       time.Time
	// absences seen so far, and which of them was the first from a run that held the site and
	// could be taken back: what came after that came of it.
	absences, first int
	// held: the run held the site; point: how far it was; watched: it had a watchdog. Extra pods
	// are put back without: nobody is shut out.
	held    bool
	point   string
	watched bool
	// compared is how much was written when the site was last compared.
	compared int
	wrong    []string
}

// absent begins to look, before a story begins.
func absent(w *world.World) *away { return &away{w: w, start: w.Site()} }

// look is called after every tick.
func (a *away) look() {
	lease := &coordinationv1.Lease{}
	held := a.w.Get("gradus-campus", lease) && ptr.Deref(lease.Spec.HolderIdentity, "") != ""
	over := a.left == nil || a.lasts() > world.Away-10*time.Second
	again := a.absences != a.w.Absences
	a.absences = a.w.Absences
	switch {
	case again && (over || !a.undoable()):
		a.begins(held, lease.Annotations[v1alpha1.PointAnnotation])
	case over && !held:
		a.open()
	case !over && a.held:
		a.shut()
	}
}

func (a *away) lasts() time.Duration { return a.w.Clock.Now().Sub(a.since) }

// undoable: the operator went from a run that held the site and could be taken back.
func (a *away) undoable() bool { return a.held && a.reversible() }

// begins notes how the operator left the site.
func (a *away) begins(held bool, point string) {
	a.held, a.point, a.left, a.since = held, point, a.w.Site(), a.w.Clock.Now()
	a.watched = a.w.Watchdog() != nil
	if a.first == 0 && a.undoable() {
		a.first = a.absences
	}
}

// open notes the site as it is when no run holds it: before any, and after one that went through.
func (a *away) open() {
	through := a.held && !a.reversible()
	if changes := a.w.Changes(); (a.left == nil || through) && changes != a.compared {
		a.start, a.compared = a.w.Site(), changes
	}
}

// shut looks at a site that was held when its operator went.
func (a *away) shut() {
	switch {
	case !a.reversible():
		a.same("touched past the point of no return, while the operator was away", a.left)
	case !a.watched:
		a.same("touched, while the operator was away and nobody watched", a.left)
	case a.w.Gone == gate.OperatorAway && a.lasts() > reopens:
		a.same("closed for users "+a.lasts().String()+" after the operator went", a.start)
	}
}

func (a *away) reversible() bool { return a.point == string(v1alpha1.PointReversible) }

func (a *away) same(what string, want map[string]string) {
	changes := a.w.Changes()
	if changes == a.compared || len(a.wrong) > 0 {
		return
	}
	a.compared = changes
	for _, line := range unlike(want, a.w.Site()) {
		a.wrong = append(a.wrong, "away: the site is "+what+": "+line)
	}
}

// undone compares the end of a run that was undone, because nobody was there,
// with what the site was: as if the run had never been.
func (a *away) undone(end, reference map[string]string) []string {
	out := unlike(a.start, a.w.Site())
	for i := range out {
		out[i] = "end state: undone, and not as before: " + out[i]
	}
	for key, text := range end { // what the run owns goes with it
		if _, ok := reference[key]; !ok && !strings.Contains(text, `"ownerReferences"`) {
			out = append(out, "orphan: "+key)
		}
	}
	slices.Sort(out)
	return out
}

func unlike(want, got map[string]string) []string {
	var out []string
	for _, key := range union(want, got) {
		if want[key] != got[key] {
			out = append(out, fmt.Sprintf("%s\n%s", key, lines(want[key], got[key])))
		}
	}
	return out
}
