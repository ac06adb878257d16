// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hardened is what the restricted standard asks of a container.
func hardened(name, image string, args ...string) corev1.Container {
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

// InSite runs a command of the LMS beside the live site, with the code and the
// configuration that serve now, and gives what it printed.
func (w *World) InSite(ctx context.Context, namespace string, args ...string) (string, error) {
	var live appsv1.Deployment
	if err := w.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "campus-web"}, &live); err != nil {
		return "", fmt.Errorf("get Deployment campus-web: %w", err)
	}
	spec := live.Spec.Template.Spec.DeepCopy()
	app := spec.Containers[0]
	app.Args, app.Ports, app.ReadinessProbe, app.LivenessProbe = args, nil, nil, nil
	spec.Containers = []corev1.Container{app}
	return w.Job(ctx, namespace, *spec)
}

// Witness runs the witness as a Job in a namespace and gives what it printed.
func (w *World) Witness(ctx context.Context, namespace string, args ...string) (string, error) {
	return w.Job(ctx, namespace, WitnessPod(args...))
}

// WitnessPod is a pod of the witness.
func WitnessPod(args ...string) corev1.PodSpec {
	spec := corev1.PodSpec{
		AutomountServiceAccountToken: ptr.To(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{hardened("witness", WitnessImage, args...)},
	}
	spec.Containers[0].Resources.Limits = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("64Mi"),
	}
	return spec
}

// Job runs one pod to its end, gives its log and removes it.
func (w *World) Job(ctx context.Context, namespace string, spec corev1.PodSpec) (string, error) {
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	defer stop()
	spec.RestartPolicy = corev1.RestartPolicyNever
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "demo-"},
		Spec: batchv1.JobSpec{
			BackoffLimit: ptr.To[int32](0), TTLSecondsAfterFinished: ptr.To[int32](60),
			Template: corev1.PodTemplateSpec{Spec: spec},
		},
	}
	if err := w.Create(ctx, job); err != nil {
		return "", fmt.Errorf("create Job in %s: %w", namespace, err)
	}
	_, failed := Await(ctx, w, job, finished)
	log, err := w.logOf(ctx, namespace, job.Name)
	if failed != nil {
		return log, fmt.Errorf("%w: %s", failed, tail(log))
	}
	if err != nil {
		return log, err
	}
	if err := w.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		return log, fmt.Errorf("delete Job %s: %w", job.Name, err)
	}
	return log, nil
}

// logOf reads the log of a Job's pod.
func (w *World) logOf(ctx context.Context, namespace, job string) (string, error) {
	var pods corev1.PodList
	err := w.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{batchv1.JobNameLabel: job})
	if err != nil {
		return "", fmt.Errorf("list pods of Job %s: %w", job, err)
	}
	if len(pods.Items) == 0 {
		return "", fmt.Errorf("read log of Job %s: it has no pod", job)
	}
	return w.LogOf(ctx, &pods.Items[0], "")
}

// LogOf reads the whole log of a container.
func (w *World) LogOf(ctx context.Context, pod *corev1.Pod, container string) (string, error) {
	options := &corev1.PodLogOptions{Container: container}
	log, err := w.Logs.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
	if err != nil {
		return "", fmt.Errorf("read log of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return string(log), nil
}
