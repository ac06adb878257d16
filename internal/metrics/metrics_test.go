// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func goLive(name, site string, at v1alpha1.LeasePoint) *v1alpha1.GoLive {
	run := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name}}
	run.Spec.SiteRef.Name = site
	run.SetHeld(lease(at))
	return run
}

func rollback(name, site string, at v1alpha1.LeasePoint) *v1alpha1.Rollback {
	back := &v1alpha1.Rollback{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name}}
	back.Spec.SiteRef.Name = site
	back.SetHeld(lease(at))
	return back
}

func lease(at v1alpha1.LeasePoint) *v1alpha1.HeldLease {
	if at == "" {
		return nil
	}
	return &v1alpha1.HeldLease{Name: "gradus-site", Fence: 1, Point: at}
}

const head = `# HELP gradus_site_held 1 while a go-live or rollback holds the site; ` +
	`point says what a crash leads to: Reversible (opened again) or Committed (stays closed).
# TYPE gradus_site_held gauge
`

func series(kind, point, site string) string {
	return fmt.Sprintf("gradus_site_held{kind=%q,namespace=\"campus\",point=%q,site=%q} 1\n", kind, point, site)
}

func TestAHeldSiteIsTold(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		runs []client.Object
		want string
	}{
		"no run": {},
		"a run that holds nothing, or nothing any more": {
			runs: []client.Object{goLive("a", "main", ""), rollback("b", "main", "")}},
		"before the point of no return": {
			[]client.Object{goLive("a", "main", v1alpha1.PointReversible)}, head + series("GoLive", "Reversible", "main")},
		"after it": {
			[]client.Object{goLive("a", "main", v1alpha1.PointCommitted)}, head + series("GoLive", "Committed", "main")},
		"the way back": {
			[]client.Object{goLive("a", "main", ""), rollback("b", "main", v1alpha1.PointCommitted)},
			head + series("Rollback", "Committed", "main")},
		"two sites": {
			[]client.Object{goLive("a", "main", v1alpha1.PointReversible), goLive("b", "other", v1alpha1.PointCommitted)},
			head + series("GoLive", "Committed", "other") + series("GoLive", "Reversible", "main")},
		"one lost its lease to another and does not know how to end": {
			[]client.Object{goLive("a", "main", v1alpha1.PointReversible), goLive("b", "main", v1alpha1.PointReversible)},
			head + series("GoLive", "Reversible", "main")},
	} {
		t.Run(name, func(t *testing.T) {
			h := Held{Reader: fake.NewClientBuilder().WithScheme(scheme).WithObjects(c.runs...).Build()}
			if err := testutil.CollectAndCompare(h, strings.NewReader(c.want)); err != nil {
				t.Error(err)
			}
		})
	}
}

// The gauge is read off the objects at every scrape: it follows them.
func TestASiteThatWasLetGoIsToldNoMore(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	run := goLive("a", "main", v1alpha1.PointReversible)
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(run).Build()
	for _, step := range []struct {
		at   v1alpha1.LeasePoint
		want string
	}{
		{v1alpha1.PointReversible, head + series("GoLive", "Reversible", "main")},
		{v1alpha1.PointCommitted, head + series("GoLive", "Committed", "main")},
		{"", ""},
	} {
		run.SetHeld(lease(step.at))
		if err := c.Update(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		if err := testutil.CollectAndCompare(Held{Reader: c}, strings.NewReader(step.want)); err != nil {
			t.Errorf("at %q: %v", step.at, err)
		}
	}
}
