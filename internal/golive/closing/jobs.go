// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// Mount is a claim or Secret in a Job of ours.
type Mount struct {
	Volume corev1.Volume
	Path   string
}

// ReaderMount gives the credentials of the role that can only read.
func (s *Scene) ReaderMount() Mount {
	return Mount{workload.Secret(workload.ReaderVolume, s.Site.Spec.Database.ReaderSecretRef.Name), readerDir}
}

// OwnerMount gives the credentials of the owner of the database.
func (s *Scene) OwnerMount() Mount {
	return Mount{workload.Secret(workload.OwnerVolume, s.Site.Spec.Database.OwnerSecretRef.Name), ownerDir}
}

func split(mounts []Mount) (volumes []corev1.Volume, out []corev1.VolumeMount) {
	for _, m := range mounts {
		volumes = append(volumes, m.Volume)
		readOnly := m.Volume.Secret != nil || m.Volume.PersistentVolumeClaim != nil && m.Volume.PersistentVolumeClaim.ReadOnly
		out = append(out, corev1.VolumeMount{Name: m.Volume.Name, MountPath: m.Path, ReadOnly: readOnly})
	}
	return volumes, out
}

func (s *Scene) job(at pipeline.At, what string) workload.Job {
	return workload.Job{
		Namespace: s.Site.Namespace, Name: at.Name(what), AgentImage: s.Image,
		Level: s.Site.Spec.Copies.PodSecurity,
	}
}

// AgentJob gives a Job in our own image. User is the uid as which it reads
// files of the site; nil is our own.
func (s *Scene) AgentJob(
	at pipeline.At, what string, actions []task.Action, user *int64, mounts ...Mount,
) *batchv1.Job {
	volumes, mounted := split(mounts)
	j := s.job(at, what)
	if user == nil {
		own := workload.AgentUser
		user, j.Level = &own, v1alpha1.LevelRestricted
	}
	j.Run = corev1.Container{Image: s.Image, VolumeMounts: mounted, Resources: workload.Small()}
	j.User, j.Volumes = user, volumes
	j.Task = task.Task{Actions: actions, Known: s.Profile.Failures}
	return j.Build()
}

// VerifyJob gives a Job that compares the site's version, figures and files with
// what they should be. Claim gives where the files of a volume are read.
func (s *Scene) VerifyJob(
	at pipeline.At, q profile.Params, counts []v1alpha1.Count, claim func(v1alpha1.SiteVolume) string,
) (*batchv1.Job, error) {
	version, _, err := s.Profile.VersionTask(q, q.Target)
	if err != nil {
		return nil, err
	}
	equal, orphans := s.Profile.SplitFigures(environment.ByName(counts))
	count, _, err := s.Profile.CountTask(q, equal, orphans, nil)
	if err != nil {
		return nil, err
	}
	actions := slices.Concat(version.Actions, count.Actions)
	mounts := []Mount{s.ReaderMount()}
	if len(s.Site.Spec.Volumes) > 0 {
		volume := s.Site.Spec.Volumes[0]
		files, _, err := s.Profile.HashFilesTask(q, volume.MountPath, true, volume.MissingFiles, profile.Throttle{})
		if err != nil {
			return nil, err
		}
		actions = append(actions, files.Actions...)
		mounts = append(mounts, Mount{workload.Claim("gradus-live", claim(volume), true), volume.MountPath})
		// The others are mounted to see that they can be: a volume that nobody
		// mounts may not even be made yet.
		for i, other := range s.Site.Spec.Volumes[1:] {
			name := fmt.Sprintf("gradus-live-%d", i+1)
			mounts = append(mounts, Mount{workload.Claim(name, claim(other), true), other.MountPath})
		}
	}
	w, live := s.Web()
	return s.AgentJob(at, "verify", actions, workload.User(live.Spec.Template, w.ApplicationContainer), mounts...), nil
}

// DatabaseJob gives a Job in the database server's own image: its tools fit
// its version.
func (s *Scene) DatabaseJob(at pipeline.At, what string, actions []task.Action, mounts ...Mount) *batchv1.Job {
	volumes, mounted := split(mounts)
	server := s.Database.Spec.Template.Spec.Containers[0]
	j := s.job(at, what)
	j.Run = corev1.Container{Image: server.Image, VolumeMounts: mounted, Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi"),
		}}}
	j.User, j.Volumes = workload.User(s.Database.Spec.Template, server.Name), volumes
	j.Task = task.Task{Actions: actions, Known: s.Profile.Failures}
	return j.Build()
}

// ApplicationJob gives a Job in the LMS's image, with the environment, the
// configuration and the live volumes of the web workload's application
// container, writable. Images are by container; nil leaves what runs now.
func (s *Scene) ApplicationJob(
	at pipeline.At, what string, images map[string]v1alpha1.ContainerImage, actions []task.Action,
) workload.Job {
	w, live := s.Web()
	template := live.Spec.Template
	secrets, configMaps := named(template)
	copying := workload.Copying{
		Images: images, Claims: claims(template), Secrets: secrets, ConfigMaps: configMaps,
		AgentImage: s.Image, Level: s.Site.Spec.Copies.PodSecurity,
	}
	pod, _ := copying.Pod(template)
	run, _ := workload.Container(pod, w.ApplicationContainer)
	volumes, mounted := split([]Mount{s.OwnerMount(), s.ReaderMount()})
	run.VolumeMounts = append(run.VolumeMounts, mounted...)
	j := s.job(at, what)
	j.Run, j.User = run, workload.User(template, w.ApplicationContainer)
	j.Volumes = slices.Concat(pod.Spec.Volumes, volumes)
	j.Task = task.Task{Actions: actions, Known: s.Profile.Failures}
	j.Undisturbed = true
	return j
}

func claims(template corev1.PodTemplateSpec) []string {
	var out []string
	for _, v := range template.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			out = append(out, v.PersistentVolumeClaim.ClaimName)
		}
	}
	return out
}

// named lists the Secrets and ConfigMaps that a pod refers to.
func named(template corev1.PodTemplateSpec) (secrets, configMaps []string) {
	for _, v := range template.Spec.Volumes {
		if v.Secret != nil {
			secrets = append(secrets, v.Secret.SecretName)
		}
		if v.ConfigMap != nil {
			configMaps = append(configMaps, v.ConfigMap.Name)
		}
	}
	for _, c := range slices.Concat(template.Spec.InitContainers, template.Spec.Containers) {
		s, m := read(c)
		secrets, configMaps = append(secrets, s...), append(configMaps, m...)
	}
	return secrets, configMaps
}

// read lists the Secrets and ConfigMaps in a container's environment.
func read(c corev1.Container) (secrets, configMaps []string) {
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil {
			secrets = append(secrets, from.SecretRef.Name)
		}
		if from.ConfigMapRef != nil {
			configMaps = append(configMaps, from.ConfigMapRef.Name)
		}
	}
	for _, env := range c.Env {
		if env.ValueFrom == nil {
			continue
		}
		if ref := env.ValueFrom.SecretKeyRef; ref != nil {
			secrets = append(secrets, ref.Name)
		}
		if ref := env.ValueFrom.ConfigMapKeyRef; ref != nil {
			configMaps = append(configMaps, ref.Name)
		}
	}
	return secrets, configMaps
}

// one gives what a step creates, or nothing when its Job cannot be built: its
// judge says why.
func one(job *batchv1.Job, err error) []client.Object {
	if err != nil || job == nil {
		return nil
	}
	return []client.Object{job}
}

// Unbuildable fails a step whose Job the profile does not give.
func Unbuildable(err error) pipeline.Verdict {
	return pipeline.Fail("ProfileIncomplete", "%v", err)
}
