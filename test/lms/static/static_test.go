// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package static

import "testing"

func TestDocumentRoot(t *testing.T) {
	for release, want := range map[string]string{
		"1.0": "/srv/campus", "1.5": "/srv/campus", "2.0": "/srv/campus/public", "3.0": "/srv/campus/public",
	} {
		if got := DocumentRoot(release); got != want {
			t.Errorf("%s wants %s", release, got)
		}
	}
}
