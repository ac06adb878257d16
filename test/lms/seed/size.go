// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package seed fills a site with sample data that depends on nothing but a
// size and a number.
package seed

import "fmt"

// Size is how much there is of everything.
type Size struct {
	Users, Courses, Posts, Attempts, Files int
	FileBytes                              int // mean
}

// QuizzesPerCourse is the same for every size.
const QuizzesPerCourse = 2

// Sizes: rows grow tenfold, files stay within what a test machine holds.
var sizes = map[string]Size{
	"S": {Users: 200, Courses: 20, Posts: 2_000, Attempts: 5_000, Files: 300, FileBytes: 10 << 10},
	"M": {Users: 2_000, Courses: 200, Posts: 20_000, Attempts: 50_000, Files: 3_000, FileBytes: 10 << 10},
	"L": {Users: 20_000, Courses: 2_000, Posts: 200_000, Attempts: 500_000, Files: 10_000, FileBytes: 30 << 10},
}

// SizeNamed finds a size: S, M or L.
func SizeNamed(name string) (Size, error) {
	size, found := sizes[name]
	if !found {
		return Size{}, fmt.Errorf("size %q is not one of S, M, L", name)
	}
	return size, nil
}
