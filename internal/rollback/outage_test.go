// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/production"
)

// Every part of the predicted outage was measured on this site, but for the rename.
func TestThePredictedOutage(t *testing.T) {
	took := func(name string, d time.Duration) v1alpha1.TimedPart {
		return v1alpha1.TimedPart{Name: name, Actual: &metav1.Duration{Duration: d}}
	}
	dump := v1alpha1.BackupCopy{Holds: v1alpha1.HoldsDatabase, Location: "vault", Path: "x", Verified: &metav1.Time{},
		TookRestore: &metav1.Duration{Duration: 5 * time.Minute}}
	site := &v1alpha1.Site{}
	site.Spec.Backup.Locations = []v1alpha1.BackupLocation{{Name: "vault", Volume: &v1alpha1.VolumeLocation{ClaimName: "c"}}}
	timed := []v1alpha1.TimedPart{took("Quiesce", time.Minute), took("Hops 2.0", time.Hour), took("FixPoint", time.Hour),
		took("StartWeb", 50*time.Second), took("Lock", 0)}
	tests := map[string]struct {
		parts []v1alpha1.TimedPart
		grip  production.Grip
		want  time.Duration
		says  string
	}{
		"the site serves": {timed, production.Grip{}, 2 * time.Minute, "for about 2 minutes"},
		"it is closed":    {timed, production.Grip{Holder: "GoLive/go/1", Point: v1alpha1.PointCommitted}, 7 * time.Minute, "for about 7 minutes"},
		"never timed":     {nil, production.Grip{}, 0, "was never measured"},
	}
	for name, test := range tests {
		g := failedGoLive()
		g.Status.Parts = test.parts
		r := &v1alpha1.Rollback{}
		v := View{Scene: &closing.Scene{Owner: r, Site: site, Grip: test.grip}, Rollback: r, GoLive: g,
			Backup: &v1alpha1.SiteBackup{Status: v1alpha1.SiteBackupStatus{Copies: []v1alpha1.BackupCopy{dump}}}}
		p := &v1alpha1.RollbackPrice{}
		p.Outage, p.Parts = v.predict()
		if test.want == 0 != (p.Outage == nil) || p.Outage != nil && p.Outage.Duration != test.want {
			t.Errorf("%s: %v", name, p.Outage)
		}
		if said := closedFor(p); !strings.Contains(said, test.says) {
			t.Errorf("%s: %s", name, said)
		}
		for _, part := range p.Parts {
			if part.Source == "" || part.Took.Duration == 0 { // the API refuses a part without either
				t.Errorf("%s: %s took %s by %q", name, part.Name, part.Took.Duration, part.Source)
			}
		}
	}
}
