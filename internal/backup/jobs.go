// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"path"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// Where a Job of ours finds things.
const (
	backupDir  = "/gradus/backup"
	readerDir  = "/gradus/reader"
	liveDir    = "/gradus/live"
	scratchDir = "/gradus/scratch"
)

// Names of the volumes of such a Job.
const (
	backupVolume  = "gradus-backup"
	liveVolume    = "gradus-live"
	scratchVolume = "gradus-scratch"
)

// params are what the profile needs to know of the live site.
func (v View) params() profile.Params {
	return profile.Params{
		URL: v.Site.Spec.URL, FromURL: v.Site.Spec.URL, Prefix: v.Site.Spec.Database.TablePrefix,
		Target: v.Site.Status.Version, Scale: v.scale(),
		Reader: task.Database{
			Host: v.host(), Port: int(v.Site.Spec.Database.Port), Name: v.Site.Spec.Database.Name, CredentialsDir: readerDir,
		},
	}
}

// host under which Jobs in the site's namespace reach the live server.
func (v View) host() string {
	if ref := v.Site.Spec.Database.ServiceRef; ref != nil {
		return ref.Name
	}
	return v.Database.Spec.ServiceName
}

// scale stretches the profile's deadlines, which are for a small site.
func (v View) scale() float64 {
	small := resource.MustParse("100Gi")
	scale := 1.0
	for _, claim := range v.Claims {
		scale = max(scale, claim.Status.Capacity.Storage().AsApproximateFloat64()/small.AsApproximateFloat64())
	}
	return scale
}

// server is the container of the live database.
func (v View) server() corev1.Container { return v.Database.Spec.Template.Spec.Containers[0] }

// databaseJob gives a Job in the database server's own image: its tools fit
// its version.
func (v View) databaseJob(
	at pipeline.At, what string, volumes []corev1.Volume, mounts []corev1.VolumeMount, actions []task.Action,
) *batchv1.Job {
	server := v.server()
	return workload.Job{
		Namespace: v.Site.Namespace, Name: v.name(at, what), AgentImage: v.Install.Image,
		Run: corev1.Container{Image: server.Image, VolumeMounts: mounts, Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
			},
		}},
		User: workload.User(v.Database.Spec.Template, server.Name), Volumes: volumes,
		Task: task.Task{Actions: actions}, Level: v.Site.Spec.Copies.PodSecurity,
	}.Build()
}

// filesJob gives a Job in our own image that reads a live volume as the uid
// that owns its files, and writes to a backup claim.
func (v View) filesJob(at pipeline.At, p place, actions []task.Action) *batchv1.Job {
	claim := v.Claims[p.volume]
	user := ptr.To(workload.AgentUser)
	site, live := v.holder(claim.Name)
	if live != nil {
		if uid := workload.User(live.Spec.Template, site.ApplicationContainer); uid != nil {
			user = uid
		}
	}
	job := workload.Job{
		Namespace: v.Site.Namespace, Name: v.name(at, "files"), AgentImage: v.Install.Image,
		Run: corev1.Container{Image: v.Install.Image, Resources: workload.Small(), VolumeMounts: []corev1.VolumeMount{
			{Name: liveVolume, MountPath: liveDir, ReadOnly: true}, {Name: backupVolume, MountPath: backupDir},
		}},
		User: user,
		Volumes: []corev1.Volume{
			workload.Claim(liveVolume, claim.Name, true), workload.Claim(backupVolume, p.location.Volume.ClaimName, false),
		},
		Task: task.Task{Actions: actions}, Level: v.Site.Spec.Copies.PodSecurity,
	}.Build()
	job.Spec.Template.Spec.Affinity = beside(claim, live)
	return job
}

// holder gives the workload whose pods mount a claim; the web before others.
func (v View) holder(claim string) (v1alpha1.Workload, *appsv1.Deployment) {
	var site v1alpha1.Workload
	var live *appsv1.Deployment
	for _, w := range v.Site.Spec.Workloads {
		d := v.Workloads[w.Name]
		if d == nil || !mounts(d.Spec.Template, claim) {
			continue
		}
		if live == nil || w.Role == v1alpha1.RoleWeb && site.Role != v1alpha1.RoleWeb {
			site, live = w, d
		}
	}
	return site, live
}

func mounts(pod corev1.PodTemplateSpec, claim string) bool {
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == claim {
			return true
		}
	}
	return false
}

// beside puts a pod onto the node of the live pods, where the volume can be on
// one node only.
func beside(claim *corev1.PersistentVolumeClaim, live *appsv1.Deployment) *corev1.Affinity {
	for _, mode := range claim.Spec.AccessModes {
		if mode == corev1.ReadWriteMany || mode == corev1.ReadOnlyMany {
			return nil
		}
	}
	// Without live pods the affinity could never be met, and the volume is free.
	if live == nil || live.Spec.Replicas != nil && *live.Spec.Replicas == 0 {
		return nil
	}
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: live.Spec.Selector.DeepCopy(), TopologyKey: corev1.LabelHostname,
		}},
	}}
}

// dumpPlace gives the directory of dumps and the name of this backup's, on the
// location's volume. Database and files have directories of their own at the
// top: different uids write to them. The name has no attempt, so that a second
// attempt finds what the first one finished.
func (v View) dumpPlace(p place) (dir, name string) {
	return v.Site.Name + "-database", pipeline.Name(v.Backup, "dump", p.key, 1)
}

// DumpPath splits the path of a dump in a backup into what the agent asks for:
// the directory below the mount of the location's volume, and the name.
func DumpPath(mount string, c v1alpha1.BackupCopy) (dir, name string) {
	return path.Join(mount, path.Dir(c.Path)), path.Base(c.Path)
}

// instant reads a time that an agent told.
func instant(text string, otherwise time.Time) metav1.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t = otherwise
	}
	return metav1.NewTime(t)
}
