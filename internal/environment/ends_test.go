// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// A copy that does not come up is a verdict, and names what keeps it.
func TestACopyThatDoesNotStartEnds(t *testing.T) {
	for step, c := range map[string]struct {
		sick func(client.Object)
		says string
	}{
		"StartApplication": {func(o client.Object) {
			if d, ok := o.(*appsv1.Deployment); ok {
				d.Status = appsv1.DeploymentStatus{Conditions: []appsv1.DeploymentCondition{
					{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Message: "has timed out progressing"}}}
			}
		}, "has timed out progressing"},
		"StartDatabase": {func(o client.Object) {
			if s, ok := o.(*appsv1.StatefulSet); ok {
				s.Status.ReadyReplicas = 0
			}
		}, "the copy's database server starts"},
		"CloneVolumes": {func(o client.Object) {
			if s, ok := o.(*snapshotv1.VolumeSnapshot); ok {
				s.Status = &snapshotv1.VolumeSnapshotStatus{Error: &snapshotv1.VolumeSnapshotError{Message: ptr.To("no such handle")}}
			}
		}, "no such handle"},
	} {
		s := tell(t, campus(t))
		s.sick = c.sick
		if verdict := s.walk(); verdict.State != v1alpha1.StepRunning || !strings.Contains(verdict.Message, c.says) {
			t.Errorf("%s: at first %+v", step, verdict)
		}
		s.clock.Step(3 * time.Hour)
		verdict := s.walk()
		if verdict.State != v1alpha1.StepFailed || verdict.Reason != v1alpha1.TimedOutReason || !strings.Contains(verdict.Message, c.says) {
			t.Errorf("%s: in the end %+v", step, verdict)
		}
	}
}

// What was not proven is not said.
func TestSilenceThatWasNotProvenIsNotTold(t *testing.T) {
	s := tell(t, campus(t))
	s.fails["autumn-neutralise-1-0b4cdd3e"] = task.Result{Reason: "NotNeutral", Message: "mail is still on"}
	s.walk()
	if said := s.view.Env.Status.Silence; said != "" {
		t.Errorf("the copy is said to be silent: %s", said)
	}
	s.view.Env.Annotations = map[string]string{v1alpha1.RetryAnnotation: "Neutralise@1"}
	if s.walk(); s.view.Env.Status.Silence == "" {
		t.Error("the proof is not told")
	}
}

// Hops, verification and smoke checks find things, some more than once: a status takes 64.
func TestFindingsOfManyJobsFit(t *testing.T) {
	v := campus(t)
	for i := range 5 {
		job := pipeline.JobOutcome{}
		for range 30 {
			job.Result.Findings = append(job.Result.Findings, task.Finding{Severity: task.Warning, Code: "Small"})
		}
		if i == 4 {
			job.Result.Findings = []task.Finding{{Severity: task.Blocking, Code: "Grave"}}
		}
		v.found(job)
		v.part("verify", job)
	}
	got := v.Env.Status.Findings
	if len(got) != v1alpha1.MaxFindings || got[0].Code != "Grave" {
		t.Errorf("%d findings, the first is %+v", len(got), got[0])
	}
	if n := len(v.Env.Status.Parts); n != 1 {
		t.Errorf("%d parts of one name", n)
	}
	if all := listed(make([]string, 100)); len(all) != 64 || all[63] != "and 37 more" {
		t.Errorf("%d lines, the last %q", len(all), all[len(all)-1])
	}
}

// Files that a site is known to miss are not blamed on its backup, nor on an upgrade.
func TestFilesKnownToBeMissing(t *testing.T) {
	v := campus(t, func(v *View) { v.Site.Spec.Volumes[0].MissingFiles = 3 })
	actions, err := v.verifyActions()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range actions {
		if a.HashTree != nil && a.HashTree.Referenced != nil && a.HashTree.Referenced.MissingBefore == 3 {
			return
		}
	}
	t.Error("nobody tells the agent of them")
}
