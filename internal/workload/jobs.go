// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package workload builds the objects that Gradus makes: Jobs with the agent,
// copies of live pods, volumes, networks and namespaces. Builders are pure:
// data in, objects out.
package workload

import (
	"maps"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/task"
)

// Names of the containers in a pod of ours. Their logs are looked for by name.
const (
	ContainerAwaitClosed = "await-closed"
	ContainerAgent       = "agent"
	ContainerRun         = "run"
	ContainerReport      = "report"
)

// Pods of our Jobs carry this label: the managers watch these and no others.
const (
	ManagedByLabel = "app.kubernetes.io/managed-by"
	ManagedBy      = "gradus"
)

// AgentUser is the uid of our own image.
const AgentUser = int64(65532)

// Job describes one Job of ours. In the pod, init container agent copies our
// binary, init container run does the task in an image of the site, and report
// hands over what it found: one after the other, with nothing to coordinate.
type Job struct {
	Namespace, Name string
	// AgentImage is our own image.
	AgentImage string
	// Run is the container in which the task is done: image, environment,
	// mounts and resources. Name, command and security are set here.
	Run corev1.Container
	// User as which run runs; nil leaves it to the image.
	User *int64
	Task task.Task
	// Volumes that Run mounts.
	Volumes []corev1.Volume
	// Canaries that the network must refuse before anything starts. Every pod
	// of a copy has some; nil on the live site.
	Canaries []string
	// Deadline of the whole Job. 0: the sum of the actions' limits and ten minutes.
	Deadline time.Duration
	// Level of the Pod Security Standards for run.
	Level v1alpha1.PodSecurityLevel
	// Undisturbed asks that nobody evicts the pod: it changes a schema.
	Undisturbed bool
	// Labels of the pod.
	Labels map[string]string
}

// Build gives the Job. It is never retried in place: a new attempt is a new Job.
func (j Job) Build() *batchv1.Job {
	encoded, err := j.Task.Encode()
	if err != nil {
		// The agent refuses it and says why, which reaches the status.
		encoded = `{"actions":[]}`
	}
	run := *j.Run.DeepCopy()
	run.Name = ContainerRun
	run.Command = []string{task.Binary, "agent", "run"}
	run.Args = nil
	run.ImagePullPolicy = corev1.PullIfNotPresent
	if secret := secretEnv(run.Env); secret != "" {
		run.Env = append(run.Env, corev1.EnvVar{Name: task.EnvSecrets, Value: secret})
	}
	run.Env = append(run.Env, corev1.EnvVar{Name: task.EnvTask, Value: encoded})
	run.VolumeMounts = append(run.VolumeMounts,
		corev1.VolumeMount{Name: "gradus-bin", MountPath: task.BinDir, ReadOnly: true},
		corev1.VolumeMount{Name: "gradus-out", MountPath: task.OutDir},
		corev1.VolumeMount{Name: "gradus-tmp", MountPath: task.TmpDir})
	run.SecurityContext = Confined(j.Level, j.User)
	run.LivenessProbe, run.ReadinessProbe, run.StartupProbe, run.Lifecycle, run.Ports = nil, nil, nil, nil, nil

	spec := corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: ptr.To(false),
		EnableServiceLinks:           ptr.To(false),
		SecurityContext:              podSecurity(j.Level),
		Volumes: append(j.Volumes[:len(j.Volumes):len(j.Volumes)],
			emptyDir("gradus-bin"), emptyDir("gradus-out"), emptyDir("gradus-tmp")),
		InitContainers: append(AwaitClosed(j.AgentImage, j.Canaries), install(j.AgentImage), run),
		Containers:     []corev1.Container{report(j.AgentImage)},
	}
	deadline := j.Deadline
	if deadline == 0 {
		deadline = 10 * time.Minute
		for _, action := range j.Task.Actions {
			deadline += action.Limit()
		}
	}
	labels := map[string]string{ManagedByLabel: ManagedBy}
	maps.Copy(labels, j.Labels)
	annotations := map[string]string{}
	if j.Undisturbed {
		annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] = "false"
		annotations["karpenter.sh/do-not-disrupt"] = "true"
	}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: j.Namespace, Name: j.Name},
		Spec: batchv1.JobSpec{
			BackoffLimit:          ptr.To(int32(0)),
			ActiveDeadlineSeconds: ptr.To(int64(deadline.Seconds())),
			PodReplacementPolicy:  ptr.To(batchv1.Failed),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations},
				Spec:       spec,
			},
		},
	}
}

// secretEnv names the variables with values out of Secrets: what the LMS prints of them
// is kept out of the evidence.
func secretEnv(env []corev1.EnvVar) string {
	var names []string
	for _, e := range env {
		if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
			names = append(names, e.Name)
		}
	}
	return strings.Join(names, ",")
}

// AwaitClosed is the first init container of every pod of a copy: it leaves
// only when the network has refused every canary. Network policies arrive up
// to a quarter of a second after the pod.
func AwaitClosed(image string, canaries []string) []corev1.Container {
	if len(canaries) == 0 {
		return nil
	}
	args := []string{"agent", "await-closed"}
	for _, canary := range canaries {
		args = append(args, "--canary="+canary)
	}
	return []corev1.Container{own(ContainerAwaitClosed, image, args)}
}

func install(image string) corev1.Container {
	c := own(ContainerAgent, image, []string{"agent", "install"})
	c.VolumeMounts = []corev1.VolumeMount{{Name: "gradus-bin", MountPath: task.BinDir}}
	return c
}

func report(image string) corev1.Container {
	c := own(ContainerReport, image, []string{"agent", "report"})
	c.VolumeMounts = []corev1.VolumeMount{{Name: "gradus-out", MountPath: task.OutDir}}
	return c
}

// own gives a container with our image, whose entrypoint is our binary.
func own(name, image string, args []string) corev1.Container {
	security := Confined(v1alpha1.LevelRestricted, ptr.To(AgentUser))
	security.ReadOnlyRootFilesystem = ptr.To(true)
	return corev1.Container{
		Name: name, Image: image, Args: args,
		ImagePullPolicy: corev1.PullIfNotPresent,
		SecurityContext: security,
		Resources:       Small(),
	}
}

// Small is what a container of ours needs.
func Small() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
	}
}

func podSecurity(level v1alpha1.PodSecurityLevel) *corev1.PodSecurityContext {
	security := &corev1.PodSecurityContext{
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if level != v1alpha1.LevelBaseline {
		security.RunAsNonRoot = ptr.To(true)
	}
	return security
}

// Confined gives the security of a container: everything dropped. Never an
// fsGroup: the kubelet would change the owner of every file of a volume. Root
// is no user at Restricted: the image decides, and the kubelet refuses its root.
func Confined(level v1alpha1.PodSecurityLevel, user *int64) *corev1.SecurityContext {
	security := &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		RunAsUser:                user,
	}
	if level != v1alpha1.LevelBaseline {
		if user != nil && *user == 0 {
			security.RunAsUser = nil
		}
		security.RunAsNonRoot = ptr.To(true)
		security.Capabilities = &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}
	}
	return security
}

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// Claim gives a volume of a claim. A live volume is only ever read: readOnly
// on the source also keeps the kubelet from changing owners.
func Claim(name, claim string, readOnly bool) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim, ReadOnly: readOnly},
	}}
}

// Volumes with the ways into a database.
const (
	ReaderVolume = "gradus-reader"
	OwnerVolume  = "gradus-owner"
)

// Secret gives a volume of a Secret.
func Secret(name, secret string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: secret, DefaultMode: ptr.To(int32(0o444))},
	}}
}
