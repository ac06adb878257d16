// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/internal/task"
)

// Hop is one version jump.
type Hop struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Reason is one sentence: why here and not further at once.
	Reason string `json:"reason"`
	// Runtime and Database are what the target of this hop needs.
	Runtime  *Runtime          `json:"runtime,omitempty"`
	Database map[string]string `json:"database,omitempty"`
	// Removes are plugins whose tables this hop drops.
	Removes []Removed `json:"removes,omitempty"`
	// SupportEnd and SecurityEnd of the target.
	SupportEnd  string   `json:"supportEnd,omitempty"`
	SecurityEnd string   `json:"securityEnd,omitempty"`
	Notes       []string `json:"notes,omitempty"`
}

// Objection is why something cannot be done as it stands.
type Objection struct {
	Severity  task.Severity `json:"severity"`
	Reason    string        `json:"reason"`
	Component string        `json:"component,omitempty"`
	Message   string        `json:"message"`
}

func object(reason, component, format string, args ...any) Objection {
	return Objection{task.Blocking, reason, component, fmt.Sprintf(format, args...)}
}

// SolveHops finds the shortest way from one version to another over the stops
// for which images are given (the target is always one of them). What it
// objects to are all reasons together, since people repair them together.
func (p Profile) SolveHops(from, to string, have []string) ([]Hop, []Objection) {
	from, to = Short(from), Short(to)
	var objections []Objection
	switch c := Compare(from, to); {
	case c == 0:
		return nil, nil
	case c > 0:
		return nil, []Objection{
			object("Downgrade", "", "spec.target.version: %s is older than %s, which the site has, and there is no way down "+
				"but a backup; name a newer version", to, from),
		}
	}
	stops := []string{to}
	for _, h := range have {
		h = Short(h)
		if Compare(h, from) > 0 && Compare(h, to) < 0 && !slices.Contains(stops, h) {
			stops = append(stops, h)
		}
	}
	slices.SortFunc(stops, Compare)
	path := p.shortest(from, to, stops)
	if path == nil {
		return nil, []Objection{p.missingStop(from, to, stops)}
	}
	for _, v := range path {
		for _, a := range p.Avoid {
			if Compare(v, a.Version) == 0 {
				objections = append(objections, object("VersionToAvoid", v, "%s %s is to be avoided: %s", p.Title, v, a.Why))
			}
		}
	}
	var hops []Hop
	at := from
	for _, v := range path {
		hops = append(hops, p.hop(at, v, to))
		at = v
	}
	return hops, objections
}

// reaches tells whether one version can be upgraded to another at once. A
// release that the table lacks is believed to take any: the trial will tell.
func (p Profile) reaches(from, to string) bool {
	r, ok := p.Release(to)
	return Compare(from, to) < 0 && (!ok || r.Requires == "" || Compare(from, r.Requires) >= 0)
}

// shortest is a breadth-first search; of ways of the same length it takes the
// one whose stops are newest, as these have had the most repairs.
func (p Profile) shortest(from, to string, stops []string) []string {
	before := map[string]string{}
	queue := []string{from}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		if v == to {
			var path []string
			for ; v != from; v = before[v] {
				path = append([]string{v}, path...)
			}
			return path
		}
		for _, next := range slices.Backward(stops) {
			if _, seen := before[next]; !seen && p.reaches(v, next) {
				before[next] = v
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// hop describes one jump on the way to the end.
func (p Profile) hop(from, to, end string) Hop {
	h := Hop{From: from, To: to}
	r, ok := p.Release(to)
	if !ok {
		h.Reason = fmt.Sprintf(
			"%s is not in the upgrade table of the profile; that it can be reached from %s is for the trial to prove",
			to,
			from,
		)
		return h
	}
	h.Runtime, h.Database, h.Notes = r.Runtime, r.Database, r.Notes
	h.SupportEnd, h.SecurityEnd = r.SupportEnd, r.SecurityEnd
	for _, between := range p.Releases {
		if Compare(between.Version, from) > 0 && !within(from, between.Version) && Compare(between.Version, to) <= 0 {
			h.Removes = append(h.Removes, between.Removes...)
		}
	}
	h.Reason = reachable(r)
	if to != end {
		if last, ok := p.Release(end); ok && last.Requires != "" && Compare(from, last.Requires) < 0 {
			h.Reason += fmt.Sprintf(
				"; a stop is needed, since %s can be reached from %s or later only",
				last.Version,
				last.Requires,
			)
		}
	}
	return h
}

func reachable(r Release) string {
	if r.Requires == "" {
		return r.Version + " can be reached from any version"
	}
	return fmt.Sprintf("%s can be reached from %s or later", r.Version, r.Requires)
}

// missingStop says which image would make a way.
func (p Profile) missingStop(from, to string, stops []string) Objection {
	last, _ := p.Release(to)
	because := fmt.Sprintf("%s, and the site has %s", reachable(last), from)
	var one []string
	for _, r := range p.Releases {
		if p.between(from, r, to) {
			one = append(one, p.stopName(r, last))
		}
	}
	if len(one) > 0 {
		return object(
			"StopMissing",
			one[len(one)-1],
			"%s: give an image of %s for a stop between",
			because,
			strings.Join(one, " or "),
		)
	}
	// No single stop makes it: the way over all releases of the table tells which do.
	all := slices.Clone(stops)
	for _, r := range p.Releases {
		if Compare(r.Version, from) > 0 && Compare(r.Version, to) < 0 {
			all = append(all, newest(r))
		}
	}
	slices.SortFunc(all, Compare)
	var need []string
	for _, v := range p.shortest(from, to, all) {
		if !slices.Contains(stops, v) {
			need = append(need, strings.TrimSuffix(v, pointless))
		}
	}
	if len(need) == 0 {
		return object("NoWay", to, "%s: no way is known", because)
	}
	return object(
		"StopMissing",
		need[0],
		"%s: give images of %s for the stops between",
		because,
		strings.Join(need, " and "),
	)
}

// pointless marks the newest point release of a release, whatever its number is.
const pointless = ".99999"

func newest(r Release) string { return r.Version + pointless }

// between tells whether a release is a stop that makes a way.
func (p Profile) between(from string, r Release, to string) bool {
	v := newest(r)
	return Compare(r.Version, from) > 0 && Compare(v, to) < 0 && p.reaches(from, v) && p.reaches(v, to)
}

// stopName adds the point release when the target asks for one.
func (p Profile) stopName(r, last Release) string {
	if within(last.Requires, r.Version) && Compare(last.Requires, r.Version) > 0 {
		return last.Requires + " or later"
	}
	return r.Version
}

// CheckDatabase compares the server with what each hop needs. Every hop's
// own minimum counts: the server may have to be upgraded before the first.
func (p Profile) CheckDatabase(hops []Hop, engine task.Engine, version string) []Objection {
	var out []Objection
	for _, h := range hops {
		least, ok := h.Database[string(engine)]
		switch {
		case len(h.Database) > 0 && !ok:
			out = append(out, object("DatabaseUnsupported", h.To, "%s %s does not run on %s", p.Title, h.To, engine))
		case ok && Compare(version, least) < 0:
			out = append(
				out,
				object("DatabaseTooOld", h.To, "%s %s needs %s %s or newer and the server has %s: upgrade the server first",
					p.Title, h.To, engine, least, Short(version)),
			)
		}
	}
	return out
}
