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

// away looks at the site while nobody of the operator is there.
type away struct {
	w *world.World
	// site as it was when no run held it, and as the operator left it.
	start, left map[string]string
	since       time.Time
	// held: the run held the site; point: how far it was.
	held  bool
	point string
	// compared is how much was written when the site was last compared.
	compared int
	wrong    []string
}

// absent begins to look, before a story begins.
func absent(w *world.World) *away { return &away{w: w, start: w.Site()} }

// look is called after every tick.
func (a *away) look() {
	now, lease, changes := a.w.Clock.Now(), &coordinationv1.Lease{}, a.w.Changes()
	held := a.w.Get("gradus-campus", lease) && ptr.Deref(lease.Spec.HolderIdentity, "") != ""
	if a.w.Gone == "" {
		if !held && changes != a.compared {
			a.start, a.compared = a.w.Site(), changes
		}
		return
	}
	if a.left == nil {
		a.held = held
		a.point = lease.Annotations[v1alpha1.PointAnnotation]
		a.left, a.since = a.w.Site(), now
		return
	}
	if !a.held || now.Sub(a.since) > world.Away-10*time.Second {
		return
	}
	watched := a.w.Gone == gate.OperatorAway
	switch reversible := a.point == string(v1alpha1.PointReversible); {
	case reversible && watched && now.Sub(a.since) > reopens:
		a.same("closed for users "+now.Sub(a.since).String()+" after the operator went", a.start)
	case !reversible:
		a.same("touched past the point of no return, while the operator was away", a.left)
	}
}

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
