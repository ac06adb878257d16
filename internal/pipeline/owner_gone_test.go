// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// A cache may show an owner that is gone. Nothing is made for it that no garbage
// collector takes away.
func TestNothingIsMadeForAnOwnerThatIsGone(t *testing.T) {
	deleted := func(o *v1alpha1.UpgradePlan) {
		o.Finalizers, o.DeletionTimestamp = []string{"x"}, &metav1.Time{Time: noon}
	}
	space := func(s *Step[*script]) {
		s.Create = func(_ *script, at At) []client.Object {
			return []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: at.Name("copy")}}}
		}
	}
	for name, c := range map[string]struct {
		seen, live func(*v1alpha1.UpgradePlan)
		step       func(*Step[*script])
		made       int
	}{
		"it lives":                            {live: func(*v1alpha1.UpgradePlan) {}, step: space, made: 1},
		"it is gone":                          {step: space},
		"another has its name":                {live: func(o *v1alpha1.UpgradePlan) { o.UID = "another" }, step: space},
		"it was deleted since":                {live: deleted, step: space},
		"it was deleted, and it is known":     {seen: deleted, live: deleted, step: space, made: 1},
		"it is gone, and its child goes, too": {step: makesJob, made: 1},
	} {
		w := begin(t, judges("A", c.step))
		if c.live != nil {
			live := owner()
			live.ResourceVersion = ""
			c.live(live)
			w.engine.Live = fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(live).Build()
		}
		if c.seen != nil {
			c.seen(w.owner)
		}
		_, err := w.try()
		if errors.Is(err, ErrOwnerGone) != (c.made == 0) || len(w.writes) != c.made {
			t.Errorf("%s: %v, wrote %v", name, err, w.writes)
		}
	}
}
