// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

// stage is a view that is nothing but its scene.
type stage struct{ *Scene }

func aScene(changes ...v1alpha1.Change) *Scene {
	run := aRun(v1alpha1.PointReversible)
	run.Status.Changes = changes
	site := &v1alpha1.Site{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus"}}
	site.Spec.Traffic.ServiceRef.Name = "web"
	return &Scene{Owner: run, Site: site, Grip: production.Grip{Held: true, Point: v1alpha1.PointReversible},
		CronJobs: []batchv1.CronJob{{ObjectMeta: metav1.ObjectMeta{Name: "nightly"}}}}
}

// What a rollback took over is its to put back, and its watchdog's.
func TestTheWatchdogCoversWhatWasTakenOver(t *testing.T) {
	inherited := func(name string, undo v1alpha1.UndoWhen) v1alpha1.Change {
		return production.Want("scale-"+name, "HorizontalPodAutoscaler", name, v1alpha1.FieldMinReplicas, "", 4, undo)
	}
	s := aScene(inherited("scaled", v1alpha1.UndoAlways), inherited("stays", v1alpha1.UndoNever))
	role := watchdog.Spec{Namespace: "campus", Site: "campus", Owner: s.Owner, Targets: s.Targets()}.Role()
	for name, want := range map[string]bool{"scaled": true, "stays": false} {
		target := v1alpha1.ChangeTarget{Kind: "HorizontalPodAutoscaler", Name: name}
		if slices.Contains(watchdog.Covers(role), target) != want {
			t.Errorf("the watchdog has a right to %s: %v", name, !want)
		}
	}
}

// A CronJob that came after the watchdog could be put back by nobody.
func TestQuiesceChangesOnlyWhatTheWatchdogPutsBack(t *testing.T) {
	nightly := []v1alpha1.ChangeTarget{{Kind: "CronJob", Name: "nightly"}}
	tests := map[string]struct {
		watched []v1alpha1.ChangeTarget
		point   v1alpha1.LeasePoint
		want    v1alpha1.StepState
		changes int
	}{
		"covered":                        {nightly, v1alpha1.PointReversible, v1alpha1.StepPassed, 1},
		"not covered":                    {[]v1alpha1.ChangeTarget{}, v1alpha1.PointReversible, v1alpha1.StepFailed, 0},
		"past the point, with no undo":   {nil, v1alpha1.PointCommitted, v1alpha1.StepPassed, 1},
		"past it, with a Role of before": {[]v1alpha1.ChangeTarget{}, v1alpha1.PointCommitted, v1alpha1.StepPassed, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := aScene()
			s.Watched, s.Grip.Point = test.watched, test.point
			step := Quiesce[stage]()
			if got := len(step.Change(stage{s}, pipeline.At{})); got != test.changes {
				t.Errorf("%d changes", got)
			}
			if got := step.Judge(stage{s}, pipeline.At{}, pipeline.Seen{Changed: true}); got.State != test.want {
				t.Errorf("%s: %s", got.State, got.Message)
			}
		})
	}
}
