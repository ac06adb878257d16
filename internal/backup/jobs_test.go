// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/internal/task"
)

var update = flag.Bool("update", false, "write the golden files anew")

// jobsOf gives every Job that a backup makes beside a live site.
func jobsOf(t *testing.T, v View) map[string]*batchv1.Job {
	t.Helper()
	jobs := map[string]*batchv1.Job{}
	for name, build := range map[string]func() (*batchv1.Job, error){
		"dump":        func() (*batchv1.Job, error) { return v.dumpJob(key("vault")) },
		"verify_dump": func() (*batchv1.Job, error) { return v.verifyDumpJob(key("vault")) },
		"copy_files":  func() (*batchv1.Job, error) { return v.copyJob(key("vault.files")) },
	} {
		job, err := build()
		if err != nil || job == nil {
			t.Fatalf("%s: %v", name, err)
		}
		jobs[name] = job
	}
	return jobs
}

func TestJobsAreAsWritten(t *testing.T) {
	for name, job := range jobsOf(t, campus(t)) {
		got, err := yaml.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".yaml")
		if *update {
			if err = os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s (run with -update after reading): %s", name, cmp.Diff(string(want), string(got)))
		}
	}
}

// What holds of every Job beside a live site, whatever the Site says.
func TestJobsOnlyReadTheLiveSite(t *testing.T) {
	for name, job := range jobsOf(t, campus(t)) {
		pod := job.Spec.Template.Spec
		for _, volume := range pod.Volumes {
			c := volume.PersistentVolumeClaim
			if c != nil && !c.ReadOnly && !strings.HasPrefix(c.ClaimName, writable) {
				t.Errorf("%s mounts claim %s writable", name, c.ClaimName)
			}
			if volume.Projected != nil || volume.HostPath != nil {
				t.Errorf("%s has volume %s", name, volume.Name)
			}
		}
		if pod.SecurityContext.FSGroup != nil {
			t.Errorf("%s has an fsGroup: the owner of every file would change", name)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s has an API token", name)
		}
		if job.Spec.BackoffLimit == nil || *job.Spec.BackoffLimit != 0 || pod.RestartPolicy != corev1.RestartPolicyNever {
			t.Errorf("%s would be run again in place", name)
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			if c.SecurityContext == nil || ptr.Deref(c.SecurityContext.AllowPrivilegeEscalation, true) {
				t.Errorf("%s: container %s may escalate", name, c.Name)
			}
		}
	}
}

func TestFilesAreReadByTheirOwner(t *testing.T) {
	v := campus(t)
	job, err := v.copyJob(key("vault.files"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := runContainer(job).SecurityContext.RunAsUser; uid == nil || *uid != 33 {
		t.Errorf("runs as %v, the site's files belong to 33", uid)
	}
	if got := job.Spec.Template.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]; got.TopologyKey !=
		"kubernetes.io/hostname" || got.LabelSelector.MatchLabels["app"] != "campus-web" {
		t.Errorf("a volume of one node must be read on the node of the web pods, not by %v", got)
	}
}

func TestFilesOfManyNodesAreReadAnywhere(t *testing.T) {
	for name, change := range map[string]func(*View){
		"read-write-many": func(v *View) {
			v.Claims["files"].Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
		},
		"no live pods": func(v *View) {
			v.Workloads["web"].Spec.Replicas = ptr.To(int32(0))
		},
	} {
		job, err := campus(t, change).copyJob(key("vault.files"))
		if err != nil {
			t.Fatal(err)
		}
		if job.Spec.Template.Spec.Affinity != nil {
			t.Errorf("%s: the pod waits for %v", name, job.Spec.Template.Spec.Affinity)
		}
	}
}

// The next backup must not change what this one keeps.
func TestABackupWritesWhereNoOtherDoes(t *testing.T) {
	first, second := campus(t), campus(t, func(v *View) { v.Backup.UID = "99999999-0000-4000-8000-000000000000" })
	a, b := targetsOf(t, first), targetsOf(t, second)
	for to, kind := range a {
		if _, shared := b[to]; shared != (kind == task.ContentAddressed) {
			t.Errorf("%s (%s): shared with the next backup: %v", to, kind, shared)
		}
	}
}

func targetsOf(t *testing.T, v View) map[string]task.TreeKind {
	t.Helper()
	job, err := v.copyJob(key("vault.files"))
	if err != nil {
		t.Fatal(err)
	}
	todo := taskOf(t, job)
	out := map[string]task.TreeKind{}
	hashed := map[string]bool{}
	for _, a := range todo.Actions {
		if a.CopyTree != nil {
			out[a.CopyTree.To] = a.CopyTree.Kind
		}
		if a.HashTree != nil {
			hashed[a.HashTree.Root] = true
		}
	}
	for to := range out {
		if !hashed[to] || !strings.HasPrefix(to, backupDir+"/") {
			t.Errorf("%s is written and not hashed again", to)
		}
	}
	return out
}

func TestAVolumeOfWhichTheProfileKnowsNothingIsCopiedWhole(t *testing.T) {
	v := campus(t, func(v *View) {
		v.Site.Spec.Volumes = append(v.Site.Spec.Volumes, v.Site.Spec.Volumes[0])
		v.Site.Spec.Volumes[1].Name = "repository"
		v.Claims["repository"] = claim("campus-repository", "5Gi")
	})
	job, err := v.copyJob(key("vault.repository"))
	if err != nil {
		t.Fatal(err)
	}
	todo := taskOf(t, job)
	if len(todo.Actions) != 2 || todo.Actions[0].CopyTree == nil || len(todo.Actions[0].CopyTree.Skip) != 0 {
		t.Errorf("actions: %+v", todo.Actions)
	}
}

func taskOf(t *testing.T, job *batchv1.Job) task.Task {
	t.Helper()
	for _, env := range runContainer(job).Env {
		if env.Name == task.EnvTask {
			todo, err := task.Decode([]byte(env.Value))
			if err != nil {
				t.Fatal(err)
			}
			return todo
		}
	}
	t.Fatal("the Job has no task")
	return task.Task{}
}

func runContainer(job *batchv1.Job) corev1.Container {
	for _, c := range job.Spec.Template.Spec.InitContainers {
		if c.Name == "run" {
			return c
		}
	}
	return corev1.Container{}
}
