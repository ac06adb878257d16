// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"fmt"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
)

// The Rollback that a go-live makes of itself is for a site that stayed closed.
func TestAGoLiveThatLetUsersInIsNotGoneBackFromUnasked(t *testing.T) {
	opened := metav1.Now()
	for name, test := range map[string]struct {
		owner  string
		opened *metav1.Time
		want   bool
	}{
		"its own, and it stayed closed": {"1", nil, false},
		"its own, and it let users in":  {"1", &opened, true},
		"a person's":                    {"", &opened, false},
	} {
		run := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Name: "go", UID: "1"}}
		run.Status.Opened = test.opened
		back := &v1alpha1.Rollback{Spec: v1alpha1.RollbackSpec{To: v1alpha1.RollbackTarget{
			GoLiveRef: &v1alpha1.LocalRef{Name: "go"}}}}
		if test.owner != "" {
			back.Labels = map[string]string{v1alpha1.OwnerUIDLabel: test.owner}
		}
		v := View{Scene: &closing.Scene{Owner: back, Site: &v1alpha1.Site{}}, Rollback: back, GoLive: run}
		if no := v.Objection(); no == nil || (no.Reason == "NotNeeded") != test.want {
			t.Errorf("%s: objection %+v", name, no)
		}
	}
}

// A full journal would be met with the site closed.
func TestARollbackWhoseJournalWouldNotSufficeIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		cronJobs, volumes int
		files             v1alpha1.FilesWay
		want              string
	}{
		"as many as there is room for":   {cronJobs: 61},
		"one more":                       {cronJobs: 62, want: "65 changes"},
		"volumes need four changes each": {cronJobs: 50, volumes: 4, files: v1alpha1.RestoreFiles, want: "69 changes"},
		"but not where they stay":        {cronJobs: 50, volumes: 4},
	} {
		t.Run(name, func(t *testing.T) {
			site := &v1alpha1.Site{ObjectMeta: metav1.ObjectMeta{Name: "campus"}}
			site.Spec.Workloads = []v1alpha1.Workload{{Name: "web", Role: v1alpha1.RoleWeb}}
			for i := range test.volumes {
				site.Spec.Volumes = append(site.Spec.Volumes, v1alpha1.SiteVolume{Name: fmt.Sprint(i)})
			}
			backup := &v1alpha1.SiteBackup{}
			backup.Spec.SiteRef.Name = "campus"
			meta.SetStatusCondition(&backup.Status.Conditions, metav1.Condition{
				Type: v1alpha1.VerifiedCondition, Status: metav1.ConditionTrue, Reason: "Done"})
			back := &v1alpha1.Rollback{Spec: v1alpha1.RollbackSpec{Files: test.files}}
			v := View{Scene: &closing.Scene{Owner: back, Site: site}, Rollback: back, Backup: backup}
			for i := range test.cronJobs {
				v.CronJobs = append(v.CronJobs, batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("nightly-", i)}})
			}
			no := v.Objection()
			if got := no != nil; got != (test.want != "") || got && !strings.Contains(no.Message, test.want) {
				t.Errorf("objection %+v", no)
			}
		})
	}
}
