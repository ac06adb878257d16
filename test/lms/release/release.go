// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package release knows the releases of Campus and which of them this binary is.
package release

import (
	"fmt"
	"strconv"
	"strings"
)

// code is set when the binary is linked:
// -ldflags "-X github.com/gradus-lms/gradus/test/lms/release.code=2.0".
var code = "3.0"

// Release is one published version of Campus.
type Release struct {
	Name     string
	Version  int64
	Requires string // lowest release that it upgrades from
	Postgres int    // lowest major version of the database server
}

// All lists every release, oldest first.
var All = []Release{
	{Name: "1.0", Version: 2023100900, Requires: "1.0", Postgres: 11},
	{Name: "1.5", Version: 2024042200, Requires: "1.0", Postgres: 12},
	{Name: "2.0", Version: 2025041400, Requires: "1.0", Postgres: 13},
	{Name: "3.0", Version: 2026042000, Requires: "1.5", Postgres: 13},
}

// Code is the release that this binary was linked as.
func Code() (Release, error) {
	return Named(code)
}

// Named finds a release by its name.
func Named(name string) (Release, error) {
	for _, r := range All {
		if r.Name == name {
			return r, nil
		}
	}
	return Release{}, fmt.Errorf("release %q is not known", name)
}

// AtLeast says whether this release is the named one or newer.
func (r Release) AtLeast(name string) bool { return !Less(r.Name, name) }

func (r Release) String() string { return fmt.Sprintf("%s (%d)", r.Name, r.Version) }

// Less compares release names as numbers: 1.5 < 2.0 < 10.0.
func Less(a, b string) bool {
	aMajor, aMinor := parts(a)
	bMajor, bMinor := parts(b)
	if aMajor != bMajor {
		return aMajor < bMajor
	}
	return aMinor < bMinor
}

func parts(name string) (major, minor int) {
	first, second, _ := strings.Cut(name, ".")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(second)
	return major, minor
}
