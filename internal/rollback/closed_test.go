// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/production"
)

// Where a lost rollback left the site, the page says that nobody wrote, as long as nothing runs
// behind it and nobody was led past it.
func TestNobodyWroteBehindThePageThatALostRollbackLeft(t *testing.T) {
	passed := metav1.Now()
	for name, test := range map[string]struct {
		holder string
		change func(*View)
		want   bool
	}{
		"the lease is free":             {"", func(*View) {}, true},
		"held by the one that is lost":  {"Rollback/lost/2", func(v *View) { v.HolderGone = true }, true},
		"held by one that is there":     {"Rollback/there/2", func(*View) {}, false},
		"pods run behind it":            {"", func(v *View) { v.Pods = map[string]int{"web": 1} }, false},
		"somebody counts on the lease":  {"", func(v *View) { v.Inherits = nil }, false},
		"the page is not the go-live's": {"", func(v *View) { v.Door.Annotations = nil }, false},
		"users were led past the page":  {"", func(v *View) { v.GoLive.Status.Bypassed = &passed }, false},
		"the lease does not say so":     {"", func(v *View) { v.Grip.Point = v1alpha1.PointReversible }, false},
	} {
		g, r := failedGoLive(), &v1alpha1.Rollback{}
		door := &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"holding": "theirs"}}}
		door.Annotations = map[string]string{v1alpha1.HeldAnnotation: `[{"owner":"GoLive/go/1","fence":1,"n":0,"id":"door",` +
			`"field":"Selector","before":{"app":"web"},"after":{"holding":"theirs"}}]`}
		site := &v1alpha1.Site{Spec: v1alpha1.SiteSpec{Workloads: []v1alpha1.Workload{{Name: "web", Role: v1alpha1.RoleWeb}}}}
		v := View{Rollback: r, GoLive: g, Scene: &closing.Scene{Owner: r, Site: site, Door: door,
			Grip:     production.Grip{Holder: test.holder, Point: v1alpha1.PointCommitted},
			Inherits: []string{production.Identity(g)}}}
		test.change(&v)
		if got := v.afterFailure(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Users who are led past the page while the rollback restores beside may have written; once it
// has switched, what they write is written on what was restored.
func TestUsersWhoAreLedPastThePageMayHaveWritten(t *testing.T) {
	for name, test := range map[string]struct {
		bypassed bool
		last     string
		want     v1alpha1.SourceDoors
	}{
		"nobody leads them": {false, closing.StepTakeLease, v1alpha1.DoorsStayedClosed},
		"before the switch": {true, closing.StepTakeLease, v1alpha1.DoorsOpened},
		"after it":          {true, StepSwitch, v1alpha1.DoorsStayedClosed},
	} {
		r := &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{
			Source: &v1alpha1.RollbackSource{Doors: v1alpha1.DoorsStayedClosed},
			Steps:  []v1alpha1.StepStatus{{Name: closing.StepTakeLease, State: v1alpha1.StepPassed}, {Name: test.last, State: v1alpha1.StepPassed}}}}
		v := View{Rollback: r, GoLive: failedGoLive(), Scene: &closing.Scene{Owner: r, Bypassed: test.bypassed,
			Grip: production.Grip{Held: true, Point: v1alpha1.PointCommitted}}}
		v.Remember()
		if got := r.Status.Source.Doors; got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// In the look that takes the site, what was seen while its lease was free stays, and so does what
// an earlier rollback saw.
func TestASiteThatIsTakenWasClosedOnlyWhereNobodySawOtherwise(t *testing.T) {
	opened := &v1alpha1.RollbackSource{Doors: v1alpha1.DoorsOpened}
	for name, test := range map[string]struct {
		reason string
		before *v1alpha1.RollbackSource
		want   v1alpha1.SourceDoors
	}{
		"the go-live gave it":                {v1alpha1.SiteBusyReason, nil, v1alpha1.DoorsStayedClosed},
		"its lease was free":                 {"TakingLease", nil, v1alpha1.DoorsOpened},
		"given by one that saw users let in": {v1alpha1.SiteBusyReason, opened, v1alpha1.DoorsOpened},
	} {
		g := failedGoLive()
		b := v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{Source: test.before,
			Steps: []v1alpha1.StepStatus{{Name: closing.StepTakeLease, State: v1alpha1.StepPassed}}}}
		r := &v1alpha1.Rollback{Status: v1alpha1.RollbackStatus{Source: opened.DeepCopy(), Changes: g.Status.Changes[:1],
			Steps: []v1alpha1.StepStatus{{Name: closing.StepTakeLease, State: v1alpha1.StepWaiting, Reason: test.reason}}}}
		v := View{Rollback: r, GoLive: g, Before: []v1alpha1.Rollback{b}, Scene: &closing.Scene{Owner: r,
			Grip: production.Grip{Held: true, Point: v1alpha1.PointCommitted}}}
		v.Remember()
		if got := r.Status.Source.Doors; got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
