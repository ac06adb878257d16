// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

// startsWithin is how long a pod may take to get its volumes and its address
// before anybody asks why, and how often one that has not started is looked at.
const startsWithin = 15 * time.Second

// fieldOf are the fields of a Site that name what a volume of our Jobs mounts.
var fieldOf = map[string]string{
	workload.ReaderVolume: "spec.database.readerSecretRef",
	workload.OwnerVolume:  "spec.database.ownerSecretRef",
}

// starting says why a pod does not start, and when to look again: nobody tells us
// of pods, and a Job says only that it has one.
func (r Reader) starting(ctx context.Context, pod *corev1.Pod, outcome *pipeline.JobOutcome) error {
	// Most of what our Jobs do they do in init containers: the phase stays Pending.
	all := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	if outcome.Pending == "" && slices.ContainsFunc(all, func(s corev1.ContainerStatus) bool {
		return s.State.Running != nil || s.State.Terminated != nil
	}) {
		return nil
	}
	outcome.LookAgain = r.Clock.Now().Add(startsWithin)
	if outcome.Pending != "" {
		return nil
	}
	var err error
	outcome.Pending, err = r.stuck(ctx, pod)
	return err
}

// stuck says why a pod that has a node still has no volumes, in the kubelet's words.
func (r Reader) stuck(ctx context.Context, pod *corev1.Pod) (string, error) {
	if pod.Status.StartTime == nil || r.Clock.Now().Before(pod.Status.StartTime.Add(startsWithin)) ||
		!slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionFalse
		}) {
		return "", nil
	}
	var events corev1.EventList
	err := r.Live.List(ctx, &events, client.InNamespace(pod.Namespace), client.MatchingFieldsSelector{
		Selector: fields.Set{"involvedObject.uid": string(pod.UID), "type": corev1.EventTypeWarning}.AsSelector()})
	switch {
	case apierrors.IsForbidden(err):
		return "its volumes are not there; see its Events", nil
	case err != nil:
		return "", fmt.Errorf("list Events of Pod %s/%s: %w", pod.Namespace, pod.Name, err)
	case len(events.Items) == 0:
		return "", nil
	}
	slices.SortFunc(events.Items, func(a, b corev1.Event) int { return lastSeen(b).Compare(lastSeen(a)) })
	for _, e := range events.Items {
		if field := named(pod, e.Message); field != "" {
			return e.Message + field, nil
		}
	}
	return events.Items[0].Message, nil
}

// lastSeen is kept in one field or the other, by the age of who wrote the Event.
func lastSeen(e corev1.Event) time.Time {
	if e.Series != nil {
		return e.Series.LastObservedTime.Time
	}
	if e.LastTimestamp.IsZero() {
		return e.EventTime.Time
	}
	return e.LastTimestamp.Time
}

// named adds the field that names a Secret of which a message speaks.
func named(pod *corev1.Pod, message string) string {
	for _, v := range pod.Spec.Volumes {
		if field := fieldOf[v.Name]; v.Secret != nil && field != "" && strings.Contains(message, fmt.Sprintf("%q", v.Name)) {
			return fmt.Sprintf(" (Secret %s, which the Site names in %s; it goes on by itself once that is mended)",
				v.Secret.SecretName, field)
		}
	}
	return ""
}
