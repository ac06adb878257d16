// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gradus-lms/gradus/internal/pipeline"
)

// The status of a pod, whatever is in it, makes no success of a Job that has
// not succeeded, nor of one whose agent did not say so.
func FuzzFill(f *testing.F) {
	for _, text := range []string{
		"{}", "null",
		`{"containerStatuses":[{"name":"report","state":{"terminated":{"exitCode":0,"message":"{\"ok\":true,\"reason\":\"Succeeded\"}"}}}]}`,
		`{"containerStatuses":[{"name":"report","state":{"terminated":{"exitCode":0,"message":"OK"}}}]}`,
		`{"initContainerStatuses":[{"name":"run","state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]}`,
		`{"conditions":[{"type":"PodScheduled","status":"False","message":"no node"}]}`,
		`{"containerStatuses":[{"name":"run","state":{"waiting":{"reason":"ImagePullBackOff"}}}]}`,
	} {
		f.Add(text, uint8(0))
		f.Add(text, uint8(1))
	}
	states := []pipeline.JobState{pipeline.JobSucceeded, pipeline.JobFailed, pipeline.JobRunning}
	f.Fuzz(func(t *testing.T, text string, state uint8) {
		pod := &corev1.Pod{}
		if json.Unmarshal([]byte(text), &pod.Status) != nil {
			return
		}
		outcome := pipeline.JobOutcome{State: states[int(state)%len(states)]}
		before := outcome.State
		fill(&outcome, pod)
		if outcome.State == pipeline.JobSucceeded && (before != pipeline.JobSucceeded || !outcome.Result.OK) {
			t.Fatalf("%v became a success: %+v", before, outcome)
		}
	})
}

// The name of a document that an agent chose is made the name of an object.
func FuzzSlug(f *testing.F) {
	for _, name := range []string{"run.log", "../../etc/passwd", "Überprüfung", "", "-", "A B", "a..b", "x\x00y"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		object := clip("go-1-"+slug(name)) + "-0123456789"
		if wrong := validation.IsDNS1123Subdomain(object); len(wrong) > 0 {
			t.Fatalf("%q of %q: %v", object, name, wrong)
		}
	})
}
