// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"testing"

	"github.com/gradus-lms/gradus/internal/production"
)

// Somebody merged his labels beside the page: it is taken over, for the site is shut. What has
// nothing of it any more is not.
func TestAMergedDoorIsTakenOver(t *testing.T) {
	g := failedGoLive()
	first := holding()
	first.Status.Changes = g.Status.Changes
	for value, want := range map[string]int{`{"holding":"theirs","app":"web"}`: 1, `{"holding":"old","app":"web"}`: 0, `{"app":"web"}`: 0} {
		observed := standing(t, g)
		observed[0].Value = production.Value(value)
		r, next := holding(), holding()
		Inherit(r, g, observed)
		InheritFrom(next, first, observed)
		if len(r.Status.Changes) != want || len(next.Status.Changes) != want {
			t.Errorf("%s: %v, %v", value, r.Status.Changes, next.Status.Changes)
		}
	}
}
