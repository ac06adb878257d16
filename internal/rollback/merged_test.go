// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
)

// What is left is taken over only where nobody counts on the lease.
func TestLeft(t *testing.T) {
	held := func(at v1alpha1.LeasePoint, fence int32) *v1alpha1.HeldLease {
		return &v1alpha1.HeldLease{Point: at, Fence: fence}
	}
	took := []v1alpha1.StepStatus{{Name: "TakeLease", State: v1alpha1.StepPassed}}
	for name, test := range map[string]struct {
		goLive, before, other *v1alpha1.HeldLease
		want                  int
	}{
		"both let go":                        {nil, nil, nil, 2},
		"the go-live counts on it":           {held(v1alpha1.PointCommitted, 5), nil, nil, 0},
		"the earlier one counts on it":       {nil, held(v1alpha1.PointCommitted, 5), nil, 0},
		"another one does":                   {nil, nil, held(v1alpha1.PointCommitted, 6), 0},
		"another one waits for it":           {nil, nil, held(v1alpha1.PointReversible, 5), 2},
		"the earlier one's number is behind": {nil, held(v1alpha1.PointCommitted, 4), nil, 2},
		"the go-live was not so far":         {held(v1alpha1.PointReversible, 5), nil, nil, 1},
	} {
		g, b := failedGoLive(), v1alpha1.Rollback{}
		g.Status.Lease, b.Status.Lease, b.Status.Steps = test.goLive, test.before, took
		all := []*v1alpha1.HeldLease{test.goLive, test.before, test.other}
		if got := Left(g, []v1alpha1.Rollback{b}, all, 5); len(got) != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

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
