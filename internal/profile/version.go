// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// numbers is the part of a version that counts: "4.5.6 (Build: 20250811)" is 4.5.6.
var numbers = regexp.MustCompile(`^\s*v?([0-9]+(?:\.[0-9]+)*)`)

// unstable marks what comes before the release of the same number.
var unstable = regexp.MustCompile(`(?i)^[\s.-]*(dev|alpha|beta|rc|pre)`)

// Compare orders two versions by their numbers: -1, 0 or 1. Missing numbers
// are zero; a development build comes before its release; a text without
// numbers comes before all.
func Compare(a, b string) int {
	na, da := split(a)
	nb, db := split(b)
	for i := range max(len(na), len(nb)) {
		if c := cmp.Compare(at(na, i), at(nb, i)); c != 0 {
			return c
		}
	}
	return cmp.Compare(da, db)
}

func at(n []uint64, i int) uint64 {
	if i < len(n) {
		return n[i]
	}
	return 0
}

// split gives the numbers, and -1 for an unstable version, else 0.
func split(v string) ([]uint64, int) {
	m := numbers.FindStringSubmatchIndex(v)
	if m == nil {
		return nil, -1
	}
	var out []uint64
	for _, s := range strings.Split(v[m[2]:m[3]], ".") {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			n = ^uint64(0) // too long to be a number; it is greater than all that are
		}
		out = append(out, n)
	}
	if unstable.MatchString(v[m[3]:]) {
		return out, -1
	}
	return out, 0
}

// Short is the version as people say it: the numbers alone.
func Short(v string) string {
	if m := numbers.FindStringSubmatch(v); m != nil {
		return m[1]
	}
	return strings.TrimSpace(v)
}

// within tells whether version v belongs to a release ("4.5.6" to "4.5").
func within(v, release string) bool {
	nv, _ := split(v)
	nr, _ := split(release)
	if len(nr) == 0 {
		return false
	}
	for i, n := range nr {
		if at(nv, i) != n {
			return false
		}
	}
	return true
}

// Release is the line of the table to which a version belongs.
func (p Profile) Release(version string) (Release, bool) {
	found, ok := Release{}, false
	for _, r := range p.Releases {
		if within(version, r.Version) && (!ok || len(r.Version) > len(found.Version)) {
			found, ok = r, true
		}
	}
	return found, ok
}
