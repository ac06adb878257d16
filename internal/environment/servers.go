// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

// startDatabase runs the live server's own template on the cloned volume,
// under the name by which the application looks for it.
var startDatabase = pipeline.Step[View]{
	Name: "StartDatabase",
	Create: func(v View, _ pipeline.At) []client.Object {
		live := v.Database
		labels := copyLabels(live.Spec.Selector.MatchLabels, v)
		pod, _ := v.databaseCopying(labels).Pod(live.Spec.Template)
		claim := live.Spec.VolumeClaimTemplates[0].Name
		pod.Spec.Volumes = append(pod.Spec.Volumes, workload.Claim(claim, v.databaseClaim(), false))
		mountClaim(&pod, live.Spec.Template, claim)
		objects := []client.Object{&appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace(), Name: live.Name, Labels: copyLabels(nil, v)},
			Spec: appsv1.StatefulSetSpec{
				Replicas: ptr.To(int32(1)), ServiceName: live.Spec.ServiceName,
				Selector: live.Spec.Selector, Template: pod,
			},
		}}
		for _, service := range v.Services {
			if service.Name == v.databaseHost() || service.Name == live.Spec.ServiceName {
				objects = append(objects, workload.ServiceCopy(service, v.namespace()))
			}
		}
		return objects
	},
	Judge: func(_ View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		server, ok := pipeline.First[*appsv1.StatefulSet](seen)
		if !ok || server == nil || server.Status.ReadyReplicas < 1 {
			return pipeline.Wait("StartingDatabase", "the copy's database server starts")
		}
		return pipeline.Pass("the copy's database answers")
	},
	Timeout: func(View) time.Duration { return startLimit },
}

// startLimit ends a server that does not become ready: images are pulled and volumes
// bound by then.
const startLimit = 45 * time.Minute

func (v View) databaseCopying(labels map[string]string) workload.Copying {
	c := v.copying(nil)
	c.Env, c.Labels = nil, labels
	return c
}

// mountClaim puts back the mounts of a volume that comes from a claim
// template: the copy mounts the clone instead.
func mountClaim(pod *corev1.PodTemplateSpec, live corev1.PodTemplateSpec, volume string) {
	restore := func(copies, lives []corev1.Container) {
		for i := range copies {
			for _, c := range lives {
				if c.Name != copies[i].Name {
					continue
				}
				for _, mount := range c.VolumeMounts {
					if mount.Name == volume {
						copies[i].VolumeMounts = append(copies[i].VolumeMounts, mount)
					}
				}
			}
		}
	}
	restore(pod.Spec.InitContainers, live.Spec.InitContainers)
	restore(pod.Spec.Containers, live.Spec.Containers)
}

// copyLabels gives the labels of pods of a copy: what selectors need, and
// nothing else. On what owns the pods there is no label of the live site at
// all: a selector may hold one by which Argo CD, Flux or Helm know their own,
// and they would prune the copy.
func copyLabels(selector map[string]string, v View) map[string]string {
	labels := map[string]string{"lms.gradus.dev/environment": v.Env.Name}
	for key, value := range selector {
		labels[key] = value
	}
	return labels
}

// startApplication comes after the assertion, and runs the web workload only:
// cron stays off in every copy.
var startApplication = pipeline.Step[View]{
	Name: "StartApplication",
	Create: func(v View, _ pipeline.At) []client.Object {
		if !v.serves() {
			return nil
		}
		var objects []client.Object
		for _, w := range v.Site.Spec.Workloads {
			if w.Role == v1alpha1.RoleWeb {
				objects = append(objects, v.deployment(v.Workloads[w.Name]))
			}
		}
		for _, service := range v.Services {
			if service.Name == v.Site.Spec.Traffic.ServiceRef.Name {
				objects = append(objects, workload.ServiceCopy(service, v.namespace()))
			}
		}
		return objects
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.serves() {
			return pipeline.Skip("NoApplication", "a Scratch copy runs no application")
		}
		for _, obj := range seen.Objects {
			d, ok := obj.(*appsv1.Deployment)
			if obj == nil || ok && d.Status.ReadyReplicas < 1 {
				return pipeline.Wait("StartingApplication", "the copy's application starts%s", deploymentSays(d))
			}
		}
		return pipeline.Pass("serves at %s", v.address())
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if !v.serves() {
			return
		}
		v.timed("start application", seen.Now.Sub(seen.Since))
		v.Env.Status.Address = v.address()
		_, live := v.web()
		_, dropped := v.copying(nil).Pod(live.Spec.Template)
		v.Env.Status.Dropped = listed(dropped)
	},
	Timeout: func(v View) time.Duration {
		if !v.serves() {
			return 0
		}
		return startLimit
	},
}

// deploymentSays gives what keeps a Deployment from having pods, or from getting on.
func deploymentSays(d *appsv1.Deployment) string {
	if d == nil {
		return ""
	}
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue ||
			c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse {
			return ": " + c.Message
		}
	}
	return ""
}

// listed gives as much of a list as a status takes.
func listed(all []string) []string {
	const most = 64
	if len(all) <= most {
		return all
	}
	return append(slices.Clone(all[:most-1]), fmt.Sprintf("and %d more", len(all)-most+1))
}

func (v View) deployment(live *appsv1.Deployment) *appsv1.Deployment {
	c := v.copying(v.imagesOf(v.target()))
	c.Labels = copyLabels(live.Spec.Selector.MatchLabels, v)
	for key, value := range v.selector() {
		c.Labels[key] = value
	}
	pod, _ := c.Pod(live.Spec.Template)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace(), Name: live.Name, Labels: copyLabels(nil, v)},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(1)),
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Selector: live.Spec.Selector, Template: pod,
		},
	}
}

// selector of the live door, so that the copy's Service finds its pods.
func (v View) selector() map[string]string {
	for _, service := range v.Services {
		if service.Name == v.Site.Spec.Traffic.ServiceRef.Name {
			return service.Spec.Selector
		}
	}
	return nil
}

// target gives the version that the copy ends at.
func (v View) target() string {
	if v.Env.Spec.Upgrade == nil {
		return v.Backup.Status.Version
	}
	all := v.Env.Spec.Upgrade.Hops
	return all[len(all)-1].To
}
