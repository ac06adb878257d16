// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Copying says how live pods become pods of a copy.
type Copying struct {
	// Images by container; a container that is not named keeps its image.
	Images map[string]v1alpha1.ContainerImage
	// Env is set in every container of the LMS, over what the live pod says.
	Env []corev1.EnvVar
	// Claims, Secrets and ConfigMaps that exist in the copy. What else the live
	// pod asks for is dropped and reported.
	Claims, Secrets, ConfigMaps []string
	Canaries                    []string
	AgentImage                  string
	Level                       v1alpha1.PodSecurityLevel
	Labels                      map[string]string
}

// Pod gives the copy of a live pod template, field by field: what is not
// named here does not come along (service accounts, host access, tolerations,
// tracking labels and annotations). The second value lists what was dropped.
func (c Copying) Pod(live corev1.PodTemplateSpec) (corev1.PodTemplateSpec, []string) {
	var dropped []string
	volumes := map[string]bool{}
	out := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: c.Labels}}
	out.Spec = corev1.PodSpec{
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		SecurityContext:               podSecurity(c.Level),
		TerminationGracePeriodSeconds: live.Spec.TerminationGracePeriodSeconds,
		InitContainers:                AwaitClosed(c.AgentImage, c.Canaries),
	}
	for _, volume := range live.Spec.Volumes {
		kept, why := c.volume(volume)
		if why != "" {
			dropped = append(dropped, why)
			continue
		}
		volumes[kept.Name] = true
		out.Spec.Volumes = append(out.Spec.Volumes, kept)
	}
	for _, pull := range live.Spec.ImagePullSecrets {
		if slices.Contains(c.Secrets, pull.Name) {
			out.Spec.ImagePullSecrets = append(out.Spec.ImagePullSecrets, pull)
		} else {
			dropped = append(dropped, unlisted("imagePullSecrets", pull.Name))
		}
	}
	user := podUser(live)
	for _, container := range live.Spec.InitContainers {
		kept, lost := c.container(container, user, volumes)
		kept.RestartPolicy = container.RestartPolicy // a sidecar that became a step would never end
		out.Spec.InitContainers = append(out.Spec.InitContainers, kept)
		dropped = append(dropped, lost...)
	}
	for _, container := range live.Spec.Containers {
		kept, lost := c.container(container, user, volumes)
		out.Spec.Containers = append(out.Spec.Containers, kept)
		dropped = append(dropped, lost...)
	}
	slices.Sort(dropped)
	return out, slices.Compact(dropped)
}

// podUser gives the uid that the live pod asks for, if any.
func podUser(live corev1.PodTemplateSpec) *int64 {
	if live.Spec.SecurityContext != nil {
		return live.Spec.SecurityContext.RunAsUser
	}
	return nil
}

// User gives the uid as which a container of a live pod runs, if it says so.
func User(live corev1.PodTemplateSpec, container string) *int64 {
	for _, c := range live.Spec.Containers {
		if c.Name == container && c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
			return c.SecurityContext.RunAsUser
		}
	}
	return podUser(live)
}

func (c Copying) volume(v corev1.Volume) (corev1.Volume, string) {
	kept := corev1.Volume{Name: v.Name}
	switch {
	case v.EmptyDir != nil:
		kept.EmptyDir = v.EmptyDir.DeepCopy()
	case v.PersistentVolumeClaim != nil && slices.Contains(c.Claims, v.PersistentVolumeClaim.ClaimName):
		kept.PersistentVolumeClaim = v.PersistentVolumeClaim.DeepCopy()
	case v.Secret != nil && slices.Contains(c.Secrets, v.Secret.SecretName):
		kept.Secret = v.Secret.DeepCopy()
	case v.ConfigMap != nil && slices.Contains(c.ConfigMaps, v.ConfigMap.Name):
		kept.ConfigMap = v.ConfigMap.DeepCopy()
	case v.DownwardAPI != nil:
		kept.DownwardAPI = v.DownwardAPI.DeepCopy()
	default:
		return kept, fmt.Sprintf("volume %s: not among what a copy may see", v.Name)
	}
	return kept, ""
}

// container copies what a container of a copy may have.
func (c Copying) container(
	live corev1.Container, user *int64, volumes map[string]bool,
) (corev1.Container, []string) {
	if live.SecurityContext != nil && live.SecurityContext.RunAsUser != nil {
		user = live.SecurityContext.RunAsUser
	}
	var dropped []string
	if user != nil && *user == 0 && c.Level != v1alpha1.LevelBaseline {
		dropped = append(dropped, fmt.Sprintf(
			"container %s: runAsUser 0: copies of this site run at the level Restricted (spec.copies.podSecurity)", live.Name))
	}
	kept := corev1.Container{
		Name: live.Name, Image: live.Image, Command: live.Command, Args: live.Args,
		WorkingDir: live.WorkingDir, Ports: inside(live.Ports), Resources: *live.Resources.DeepCopy(),
		ReadinessProbe: ownProbe(live.ReadinessProbe), StartupProbe: ownProbe(live.StartupProbe),
		ImagePullPolicy: corev1.PullIfNotPresent,
		SecurityContext: Confined(c.Level, user),
	}
	kept.Resources.Claims = nil
	if live.SecurityContext != nil {
		kept.SecurityContext.ReadOnlyRootFilesystem = live.SecurityContext.ReadOnlyRootFilesystem
	}
	for _, mount := range live.VolumeMounts {
		if volumes[mount.Name] {
			kept.VolumeMounts = append(kept.VolumeMounts, mount)
		}
	}
	release := c.Images[live.Name]
	kept.Image = cmp.Or(release.Image, kept.Image)
	var lost []string
	kept.Env, kept.EnvFrom, lost = c.environment(live)
	for _, env := range release.Env {
		kept.Env = Override(kept.Env, []corev1.EnvVar{{Name: env.Name, Value: env.Value}})
	}
	// Last: a release may say where the live site's mail goes and its database is.
	kept.Env = Override(kept.Env, c.Env)
	return kept, append(dropped, lost...)
}

// environment picks the variables that a copy may see.
func (c Copying) environment(live corev1.Container) ([]corev1.EnvVar, []corev1.EnvFromSource, []string) {
	var kept []corev1.EnvVar
	var whole []corev1.EnvFromSource
	var dropped []string
	for _, env := range live.Env {
		if why := c.refuse(env); why != "" {
			dropped = append(dropped, why)
			continue
		}
		kept = append(kept, env)
	}
	for _, from := range live.EnvFrom {
		switch {
		case from.ConfigMapRef != nil && slices.Contains(c.ConfigMaps, from.ConfigMapRef.Name),
			from.SecretRef != nil && slices.Contains(c.Secrets, from.SecretRef.Name):
			whole = append(whole, from)
		default:
			dropped = append(dropped, fmt.Sprintf("container %s: an envFrom that a copy may not see", live.Name))
		}
	}
	return kept, whole, dropped
}

// inside gives the ports of a container without those of the node.
func inside(ports []corev1.ContainerPort) []corev1.ContainerPort {
	out := slices.Clone(ports)
	for i := range out {
		out[i].HostPort, out[i].HostIP = 0, ""
	}
	return out
}

// ownProbe gives a probe that asks the pod itself and nobody else.
func ownProbe(live *corev1.Probe) *corev1.Probe {
	if live == nil {
		return nil
	}
	probe := live.DeepCopy()
	if probe.HTTPGet != nil {
		probe.HTTPGet.Host = ""
	}
	if probe.TCPSocket != nil {
		probe.TCPSocket.Host = ""
	}
	return probe
}

func (c Copying) refuse(env corev1.EnvVar) string {
	if env.ValueFrom == nil {
		return ""
	}
	if ref := env.ValueFrom.SecretKeyRef; ref != nil && !slices.Contains(c.Secrets, ref.Name) {
		return unlisted("env "+env.Name, ref.Name)
	}
	if ref := env.ValueFrom.ConfigMapKeyRef; ref != nil && !slices.Contains(c.ConfigMaps, ref.Name) {
		return fmt.Sprintf("env %s: ConfigMap %s does not exist", env.Name, ref.Name)
	}
	return ""
}

func unlisted(what, secret string) string {
	return fmt.Sprintf("%s: Secret %s is not listed in spec.copies.secrets", what, secret)
}

// Override sets variables over others of the same name.
func Override(env, over []corev1.EnvVar) []corev1.EnvVar {
	for _, o := range over {
		env = slices.DeleteFunc(slices.Clone(env), func(e corev1.EnvVar) bool { return e.Name == o.Name })
		env = append(env, o)
	}
	return env
}

// Container finds a container of a pod template.
func Container(pod corev1.PodTemplateSpec, name string) (corev1.Container, bool) {
	i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return corev1.Container{}, false
	}
	return pod.Spec.Containers[i], true
}
