// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// nowhere is an address at which nobody listens: mail of a copy ends there,
// even if the network were open.
const nowhere = "127.0.0.1:9"

// application gives a Job in the LMS's image, with the environment, mounts and
// volumes that the live application container has.
func (v View) application(
	at pipeline.At, what string, images map[string]v1alpha1.ContainerImage, actions []task.Action,
) workload.Job {
	site, live := v.web()
	pod, _ := v.copying(images).Pod(live.Spec.Template)
	run, _ := workload.Container(pod, site.ApplicationContainer)
	run.VolumeMounts = append(run.VolumeMounts, corev1.VolumeMount{
		Name: workload.OwnerVolume, MountPath: ownerDir, ReadOnly: true,
	})
	return workload.Job{
		Namespace: v.namespace(), Name: at.Name(what),
		AgentImage: v.Install.Image, Canaries: v.Install.Canaries,
		Run: run, User: workload.User(live.Spec.Template, site.ApplicationContainer),
		Volumes: append(pod.Spec.Volumes, workload.Secret(workload.OwnerVolume, v.Site.Spec.Database.OwnerSecretRef.Name)),
		Task:    task.Task{Actions: actions, Known: v.Profile.Failures},
		Level:   v.Site.Spec.Copies.PodSecurity,
	}
}

// serverJob gives a Job in the database server's own image, on the cloned data.
func (v View) serverJob(at pipeline.At, what string, actions []task.Action) workload.Job {
	live := v.Database.Spec.Template
	container := v.server()
	run := corev1.Container{Image: container.Image, VolumeMounts: []corev1.VolumeMount{
		{Name: "gradus-data", MountPath: v.dataMount()},
		{Name: workload.OwnerVolume, MountPath: ownerDir, ReadOnly: true},
		{Name: workload.ReaderVolume, MountPath: readerDir, ReadOnly: true},
	}}
	return workload.Job{
		Namespace: v.namespace(), Name: at.Name(what),
		AgentImage: v.Install.Image, Canaries: v.Install.Canaries,
		Run: run, User: workload.User(live, container.Name),
		Volumes: []corev1.Volume{
			workload.Claim("gradus-data", v.databaseClaim(), false),
			workload.Secret(workload.OwnerVolume, v.Site.Spec.Database.OwnerSecretRef.Name),
			workload.Secret(workload.ReaderVolume, v.Site.Spec.Database.ReaderSecretRef.Name),
		},
		Task:  task.Task{Actions: actions, Known: v.Profile.Failures},
		Level: v.Site.Spec.Copies.PodSecurity,
	}
}

const readerDir = "/gradus/reader"

// dataMount gives the path at which the server mounts its own volume.
func (v View) dataMount() string {
	template := v.Database.Spec.VolumeClaimTemplates[0].Name
	for _, mount := range v.server().VolumeMounts {
		if mount.Name == template {
			return mount.MountPath
		}
	}
	return "/var/lib/postgresql/data"
}

// dataDir gives the directory of the server's data.
func (v View) dataDir() string {
	for _, env := range v.server().Env {
		if env.Name == "PGDATA" && env.Value != "" {
			return env.Value
		}
	}
	return v.dataMount()
}

// copying says how live pods become pods of this copy.
func (v View) copying(images map[string]v1alpha1.ContainerImage) workload.Copying {
	return workload.Copying{
		Images: images, Env: v.overrides(),
		Claims: v.claims(), Secrets: v.secrets(), ConfigMaps: v.configMaps(),
		Canaries: v.Install.Canaries, AgentImage: v.Install.Image,
		Level: v.Site.Spec.Copies.PodSecurity,
	}
}

// overrides point the LMS at the copy's own database, address and mail sink.
func (v View) overrides() []corev1.EnvVar {
	o, database := v.Profile.Overrides, v.Site.Spec.Database
	var env []corev1.EnvVar
	set := func(name, value string) {
		if name != "" {
			env = append(env, corev1.EnvVar{Name: name, Value: value})
		}
	}
	set(o.DatabaseHost, v.databaseHost())
	set(o.DatabaseName, database.Name)
	set(o.DatabaseUser, database.GetOwnerRole())
	set(o.BaseURL, v.address())
	set(o.MailHost, nowhere)
	for _, name := range slices.Sorted(maps.Keys(o.Fixed)) {
		set(name, o.Fixed[name])
	}
	if o.DatabasePassword != "" {
		env = append(env, corev1.EnvVar{Name: o.DatabasePassword, ValueFrom: &corev1.EnvVarSource{
			SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: database.OwnerSecretRef.Name}, Key: "password",
			},
		}})
	}
	return env
}

// address gives the copy's own base URL, inside the cluster.
func (v View) address() string {
	return "http://" + v.Site.Spec.Traffic.ServiceRef.Name + "." + v.namespace() + ".svc"
}

// imagesOf gives the images of a release, by container; nil for what runs live.
func (v View) imagesOf(version string) map[string]v1alpha1.ContainerImage {
	if v.Env.Spec.Upgrade == nil {
		return nil
	}
	return Images(v.Site, v.Env.Spec.Upgrade.Releases, version)
}

// Images gives the images of a release by container: those it names, or its
// one image for the application container of every workload.
func Images(site *v1alpha1.Site, releases []v1alpha1.Release, version string) map[string]v1alpha1.ContainerImage {
	images := map[string]v1alpha1.ContainerImage{}
	for _, release := range releases {
		if release.Version != version {
			continue
		}
		for _, container := range release.Containers {
			images[container.Name] = container
		}
		if release.Image != "" {
			for _, w := range site.Spec.Workloads {
				images[w.ApplicationContainer] = v1alpha1.ContainerImage{Name: w.ApplicationContainer, Image: release.Image}
			}
		}
	}
	return images
}
