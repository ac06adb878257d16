// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// vanishing are the objects that a rollback rests on.
func vanishing(w *world) map[string]client.Object {
	return map[string]client.Object{
		"SiteBackup":             &v1alpha1.SiteBackup{ObjectMeta: w.meta("backup")},
		"Site":                   &v1alpha1.Site{ObjectMeta: w.meta("campus")},
		"StatefulSet db":         &appsv1.StatefulSet{ObjectMeta: w.meta("db")},
		"Service web":            &corev1.Service{ObjectMeta: w.meta("web")},
		"Deployment web":         &appsv1.Deployment{ObjectMeta: w.meta("web")},
		"Deployment cron":        &appsv1.Deployment{ObjectMeta: w.meta("cron")},
		"SiteBackup, remade":     &v1alpha1.SiteBackup{ObjectMeta: w.meta("backup")},
		"Site, and comes back":   &v1alpha1.Site{ObjectMeta: w.meta("campus")},
		"StatefulSet comes back": &appsv1.StatefulSet{ObjectMeta: w.meta("db")},
	}
}

// Whatever vanishes, and whenever: no panic, a reason that names it, and no
// lease that is held for nothing.
func TestWhatVanishesIsNamed(t *testing.T) {
	every := 11 // a sample; GRADUS_EVERY_CRASH=1 runs all
	if os.Getenv("GRADUS_EVERY_CRASH") != "" {
		every = 1
	}
	n := 0
	for _, what := range []string{"SiteBackup", "Site", "StatefulSet db", "Service web", "Deployment web", "Deployment cron",
		"SiteBackup, remade", "Site, and comes back", "StatefulSet comes back"} {
		for _, step := range rollback.Steps {
			if step.Finally {
				continue
			}
			if n++; n%every == 0 {
				t.Run(what+" at "+step.Name, func(t *testing.T) { vanishesAt(t, what, step.Name) })
			}
		}
	}
}

func vanishesAt(t *testing.T, what, step string) {
	w := newWorld(t)
	w.goesBack(nil)
	back := w.backUntil(step, at(step))
	gone := vanishing(w)[what]
	w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(gone), gone))
	w.must(w.admin.Delete(w.ctx, gone, client.GracePeriodSeconds(0)))
	committed := back.Status.Lease != nil && back.Status.Lease.Point == v1alpha1.PointCommitted
	if strings.Contains(what, "comes back") || strings.Contains(what, "remade") {
		w.tick()
		gone.SetResourceVersion("")
		gone.SetUID("")
		w.must(w.admin.Create(w.ctx, gone))
	}
	for range 40 {
		w.tick()
	}
	back = w.rollback()
	result := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.SucceededCondition)
	stalled := meta.FindStatusCondition(back.Status.Conditions, v1alpha1.StalledCondition)
	holder := w.holder()
	switch {
	case result != nil && result.Status == metav1.ConditionTrue: // it could do without, or it is back
		if err := w.admin.Get(w.ctx, client.ObjectKeyFromObject(gone), gone); err == nil {
			w.wantServing("campus:1.0")
		}
	case result != nil:
		if committed || !names(what, result.Message) {
			t.Errorf("ended, committed=%v: %s: %s", committed, result.Reason, result.Message)
		}
		if stands(back) {
			t.Errorf("changes stand: %v", back.Status.Changes)
		}
	case stalled == nil || !names(what, stalled.Message):
		t.Errorf("neither over nor stalled with a reason: %v", back.Status.Conditions)
	}
	if over := result != nil; over != (holder == "") {
		t.Errorf("over=%v, and the lease is held by %q", over, holder)
	}
}

// names: the message names what is missing, kind or field first.
func names(what, message string) bool {
	kind, _, _ := strings.Cut(strings.TrimSuffix(what, ","), " ")
	return strings.Contains(message, strings.TrimSuffix(kind, ","))
}
