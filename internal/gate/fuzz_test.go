// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"slices"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// An author is found again whatever the name is, and no text makes that fail:
// who is not found may approve.
func FuzzAuthors(f *testing.F) {
	f.Add("ann@campus.example", "")
	f.Add("a,b", "%zz")
	f.Add("100%", ",,%2C,")
	f.Add("system:serviceaccount:a:b", " ann@campus.example ,bob")
	f.Add(" leads", "trails ")
	f.Fuzz(func(t *testing.T, name, others string) {
		if name == "" {
			return
		}
		written := strings.ReplaceAll(strings.ReplaceAll(name, "%", "%25"), ",", "%2C")
		found := authors(map[string]string{v1alpha1.AuthorsAnnotation: others + "," + written})
		if !slices.Contains(found, name) {
			t.Fatalf("%q is not among %q", name, found)
		}
	})
}
