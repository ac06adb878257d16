// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var update = flag.Bool("update", false, "write testdata anew")

// lived is the plan when all is over.
func lived(t *testing.T) View {
	return autumn(t, func(v *View) {
		v.GoLive = &v1alpha1.GoLive{Status: v1alpha1.GoLiveStatus{
			After: []v1alpha1.Count{{Name: "users", Value: "7"}},
			Parts: []v1alpha1.TimedPart{{Name: "hop to 1.5", Actual: minutes(25)}, {Name: "WarmUp", Actual: minutes(3)}},
		}}
		r, err := rollout(*v)
		if err != nil {
			t.Fatal(err)
		}
		r.ActualOutage = minutes(77)
		v.Plan.Status.Rollout = r
		// Something of everything that a runbook has to say.
		v.Site.Spec.Database.WorkloadRef = &v1alpha1.WorkloadRef{Kind: "StatefulSet", Name: "campus-db"}
		v.Site.Spec.Volumes = []v1alpha1.SiteVolume{{Name: "files", ClaimName: "campus-files"}}
		v.Site.Spec.Backup.Locations[0].VolumeSnapshot = &v1alpha1.SnapshotLocation{ClassName: "fast"}
		v.Plan.Spec.Target.Releases[1] = v1alpha1.Release{Version: "3.0", Containers: []v1alpha1.ContainerImage{
			{Name: "app", Image: "campus:3.0"}, {Name: "static", Image: "campus:3.0", Env: []v1alpha1.EnvValue{
				{Name: "DOCUMENT_ROOT", Value: "/srv/campus/public"}, {Name: "BANNER", Value: "it's new"}}}}}
		pod := &v.Workloads["web"].Spec.Template.Spec
		pod.Containers = append(pod.Containers, corev1.Container{Name: "static", Image: "campus:1.0",
			Env: []corev1.EnvVar{{Name: "DOCUMENT_ROOT", Value: "/srv/campus"}}})
		v.Plan.Status.Findings = []v1alpha1.Finding{{Severity: v1alpha1.SeverityMinor, Component: "block_links", Message: "was dropped"}}
		for i := range v.Plan.Status.Steps {
			began := noon.Add(time.Duration(i) * time.Hour)
			v.Plan.Status.Steps[i].Started = ptr.To(metav1.NewTime(began))
			v.Plan.Status.Steps[i].Finished = ptr.To(metav1.NewTime(began.Add(90 * time.Second)))
			v.Plan.Status.Steps[i].Message = "done | and dusted"
		}
	})
}

func TestDocuments(t *testing.T) {
	for step, name := range map[string]string{
		v1alpha1.StepPlanChangeControl: "change-record.md", v1alpha1.StepMakeUpgradePlan: "preview.md",
		v1alpha1.StepPrepareDocumentation: "runbook.md", v1alpha1.StepReview: "review.md", v1alpha1.StepCelebrate: "close-out.md",
	} {
		b := only(t, lived(t), step)
		if e := b.run(); e.State != v1alpha1.StepPassed || len(e.Evidence) != 1 || e.Evidence[0].Name != name {
			t.Errorf("step %s: %+v", step, e)
			continue
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, b.kept[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(b.kept[name])); diff != "" {
			t.Errorf("%s is not what it was; if that is meant: go test ./internal/plan -update\n%s", name, diff)
		}
	}
}
