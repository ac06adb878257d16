// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// probeDir is where a smoke Job finds the account that it signs in with.
const probeDir = "/gradus/probe"

// smoke looks at the copy as a user would: signs in, opens a course, reads a file.
var smoke = pipeline.Step[View]{
	Name:        "Smoke",
	AgainIfLost: true,
	Create: func(v View, at pipeline.At) []client.Object {
		if !v.serves() {
			return nil
		}
		job, err := v.smokeJob(at)
		if err != nil {
			return nil
		}
		return []client.Object{job.Build()}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.serves() {
			return pipeline.Skip("NoApplication", "a Scratch copy runs no application")
		}
		if _, err := v.smokeJob(at); err != nil {
			return pipeline.Skip("NoSmokeChecks", "%v", err)
		}
		return pipeline.JobDone("Looking", "SmokeFailed", func(r task.Result) pipeline.Verdict {
			return pipeline.Pass("%s of %s checks passed", r.Facts["smoke.passed"], r.Facts["smoke.checks"])
		})(seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if !v.serves() {
			return
		}
		v.found(seen.Job())
		v.part("smoke", seen.Job())
	},
}

func (v View) smokeJob(at pipeline.At) (workload.Job, error) {
	params := v.params()
	job := workload.Job{
		Namespace: v.namespace(), Name: at.Name("smoke"),
		AgentImage: v.Install.Image, Canaries: v.Install.Canaries,
		Run:  corev1.Container{Image: v.Install.Image, Resources: workload.Small()},
		User: ptr.To(workload.AgentUser), Level: v.Site.Spec.Copies.PodSecurity,
	}
	if account := v.Site.Spec.ProbeAccount; account != nil {
		params.Credentials = probeDir
		job.Volumes = []corev1.Volume{workload.Secret("gradus-probe", account.Name)}
		job.Run.VolumeMounts = []corev1.VolumeMount{{Name: "gradus-probe", MountPath: probeDir, ReadOnly: true}}
	}
	t, _, err := v.Profile.SmokeTask(params, 2*time.Minute)
	if err != nil {
		return job, err
	}
	job.Task = task.Task{Actions: t.Actions, Known: v.Profile.Failures}
	return job, nil
}
