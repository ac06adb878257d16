// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gradus-lms/gradus/internal/workload"
)

// eventReader is a server that selects Events as the API server does.
func eventReader(t *testing.T, events ...client.Object) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(events...).
		WithIndex(&corev1.Event{}, "involvedObject.uid", func(o client.Object) []string {
			return []string{string(o.(*corev1.Event).InvolvedObject.UID)}
		}).
		WithIndex(&corev1.Event{}, "type", func(o client.Object) []string { return []string{o.(*corev1.Event).Type} }).
		Build()
}

func warning(name string, uid types.UID, message string, minutes int) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name}, Type: corev1.EventTypeWarning, Message: message,
		InvolvedObject: corev1.ObjectReference{UID: uid},
		LastTimestamp:  metav1.NewTime(noon.Add(time.Duration(minutes) * time.Minute)),
	}
}

func TestAPodThatGetsNoVolumes(t *testing.T) {
	const missing = `MountVolume.SetUp failed for volume "gradus-owner" : secret "campus-db" not found`
	events := []client.Object{
		warning("another", "", "of another pod", 9),
		warning("first", "pod-uid", missing, 1),
		warning("last", "pod-uid", "Unable to attach or mount volumes: timed out", 3),
	}
	for name, c := range map[string]struct {
		after  time.Duration
		ready  corev1.ConditionStatus
		events []client.Object
		says   string
		runs   bool
	}{
		"it has just got its node":            {5 * time.Second, corev1.ConditionFalse, events, "", false},
		"what it mounts is not there":         {time.Minute, corev1.ConditionFalse, events, "spec.database.ownerSecretRef", false},
		"nobody says why":                     {time.Minute, corev1.ConditionFalse, events[:1], "", false},
		"no field of ours: the newest counts": {time.Minute, corev1.ConditionFalse, events[2:], "timed out", false},
		"it runs":                             {time.Minute, corev1.ConditionTrue, events, "", true},
		"it has all":                          {time.Minute, corev1.ConditionTrue, events, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			j := job("")
			r := reader(t, podOf(j, func(p *corev1.Pod) {
				p.UID = "pod-uid"
				if c.runs {
					p.Status.InitContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
				}
				p.Spec.Volumes = []corev1.Volume{workload.Secret(workload.OwnerVolume, "campus-db")}
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: c.ready}}
			}))
			r.Live, r.Clock = eventReader(t, c.events...), clocktesting.NewFakePassiveClock(noon.Add(c.after))
			got, err := r.Outcome(t.Context(), j)
			if err != nil || got.Pending == "" != (c.says == "") || !strings.Contains(got.Pending, c.says) {
				t.Errorf("%q %v, want %q", got.Pending, err, c.says)
			}
			// Nothing else would wake whoever waits for it.
			if again := noon.Add(c.after + startsWithin); got.LookAgain.Equal(again) == c.runs {
				t.Errorf("looks again at %s", got.LookAgain)
			}
		})
	}
}
