// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// pod is one of a Job of a hop that has not ended.
func (w *world) pod(name string, labels map[string]string) *corev1.Pod {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: w.meta(name), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "run", Image: "campus:2.0"}}}}
	pod.Labels = labels
	w.must(w.admin.Create(w.ctx, pod))
	return pod
}

func (w *world) jobs(part string) (names []string) {
	w.t.Helper()
	var all batchv1.JobList
	w.must(w.admin.List(w.ctx, &all, client.InNamespace(w.namespace)))
	for _, job := range all.Items {
		if strings.Contains(job.Name, part) {
			names = append(names, job.Name)
		}
	}
	return names
}

// heldAfterHop gives a go-live whose hop failed and that waits for a person.
func heldAfterHop(t *testing.T) (*world, func(*v1alpha1.GoLive) bool) {
	w := newWorld(t)
	w.order(func(s *v1alpha1.GoLiveSpec) { s.OnFailure = v1alpha1.OnFailureHold })
	w.outcomes["-hop-"] = broken("")
	stalled := func(g *v1alpha1.GoLive) bool {
		return meta.IsStatusConditionTrue(g.Status.Conditions, v1alpha1.StalledCondition)
	}
	w.until("stalled", stalled)
	return w, stalled
}

func (w *world) retry(annotation string) {
	w.t.Helper()
	g := w.get()
	g.Annotations = map[string]string{v1alpha1.RetryAnnotation: annotation}
	w.must(w.admin.Update(w.ctx, g))
}

// A pod that nobody can reach, of the attempt before, may still upgrade.
func TestAHopIsNotRetriedWhileAnEarlierPodLives(t *testing.T) {
	w, _ := heldAfterHop(t)
	first := w.jobs("-hop-")
	pod := w.pod("unreachable", map[string]string{"batch.kubernetes.io/job-name": first[0]})
	w.outcomes = map[string]pipeline.JobOutcome{}
	w.retry("Hops@1")
	g := w.until("refused", func(g *v1alpha1.GoLive) bool { return reason(g, "Hops") == "HopPodsLeft" })
	if got := w.jobs("-hop-"); len(got) != 1 || len(w.jobs("-resume-")) != 0 {
		t.Fatalf("Jobs %v while a pod of the first lives", got)
	}
	if c := meta.FindStatusCondition(g.Status.Conditions, v1alpha1.StalledCondition); c == nil || !strings.Contains(c.Message, first[0]) {
		t.Errorf("conditions %v", g.Status.Conditions)
	}
	w.must(w.admin.Delete(w.ctx, pod, client.GracePeriodSeconds(0)))
	w.retry("Hops@2")
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("Succeeded is %s: %s", c.Reason, c.Message)
	}
	if got := w.jobs("-hop-"); len(got) != 2 || len(w.jobs("-resume-")) != 1 {
		t.Errorf("Jobs %v, asked %v", got, w.jobs("-resume-"))
	}
	w.wantTasks()
}

// A statement of a dead client may have committed: then there is nothing to do.
func TestAHopThatIsThereAlreadyIsNotRunAgain(t *testing.T) {
	w, _ := heldAfterHop(t)
	w.outcomes = map[string]pipeline.JobOutcome{"-resume-": {State: pipeline.JobSucceeded, Result: task.Result{OK: true,
		Facts:   map[string]string{"version.database": "2.0"},
		Actions: []task.ActionResult{{Name: "sessions", OK: true}, {Name: "version", OK: true}, {Name: "pending", OK: true}}}}}
	w.retry("Hops@1")
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionTrue || len(w.jobs("-hop-")) != 1 {
		t.Errorf("Succeeded is %s: %s; Jobs %v", c.Reason, c.Message, w.jobs("-hop-"))
	}
	if h := g.Status.Hops; len(h) != 1 || h[0].Verdict != "Passed" || h[0].Version != "2.0" || h[0].Took != nil {
		t.Errorf("hops %v", h)
	}
}

func TestAHopIsNotRetriedWhileSomebodyIsConnected(t *testing.T) {
	w, stalled := heldAfterHop(t)
	w.outcomes = map[string]pipeline.JobOutcome{"-resume-": broken(task.SessionsLeft)}
	w.retry("Hops@1")
	w.until("stalled again", func(g *v1alpha1.GoLive) bool { return stalled(g) && reason(g, "Hops") == task.SessionsLeft })
	if got := w.jobs("-hop-"); len(got) != 1 {
		t.Errorf("Jobs %v", got)
	}
}

func reason(g *v1alpha1.GoLive, step string) string {
	for _, e := range g.Status.Steps {
		if e.Name == step {
			return e.Reason
		}
	}
	return ""
}
