// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/test/faults/gate"
)

// Support looks at the site once a minute. What would have been looked at while nobody was
// there is not caught up: how many looks there were is not compared then, but one there is.

// ofSupport is an object of support's, and part is it in a list of a status.
var (
	ofSupport = regexp.MustCompile(`-look-\d+-`)
	fewer     = regexp.MustCompile(`users are let in with fewer pods than planned: .* of (\d+) pods of (\w+) .* available`)
	part      = regexp.MustCompile(`\{[^{}]*-look-\d+-[^{}]*\},?\s*`)
	comma     = regexp.MustCompile(`,\s*\]`)
)

// unlooked leaves the looks of support out where nobody was there for minutes. Nor were more
// pods waited for then, when it was time to let users in.
func (r Result) unlooked(faults []gate.Fault) Result {
	gone := func(f gate.Fault) bool { return f.Kind == gate.Outage || f.Kind.Deserts() }
	if !slices.ContainsFunc(faults, gone) {
		return r
	}
	one := false
	r.End, r.Done = maps.Clone(r.End), maps.Clone(r.Done)
	for key, text := range r.End {
		one = one || strings.HasPrefix(key, "Job ") && ofSupport.MatchString(key)
		text = fewer.ReplaceAllString(text, "$2 has $1 pods")
		r.End[key] = comma.ReplaceAllString(part.ReplaceAllString(text, ""), "]")
	}
	maps.DeleteFunc(r.End, func(key, _ string) bool { return ofSupport.MatchString(key) })
	maps.DeleteFunc(r.Done, func(key string, _ int) bool { return ofSupport.MatchString(key) })
	if one {
		r.End["looks"] = "at least one"
	}
	return r
}
