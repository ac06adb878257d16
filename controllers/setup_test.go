// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/metrics"
)

// What Gradus may not list everywhere must never be cached, and the scheme
// must know every kind of either sort.
func TestCachedAndUncachedKinds(t *testing.T) {
	scheme := Scheme()
	cached := map[string]bool{}
	for obj, by := range CacheOptions().ByObject {
		gvk, err := apiutil.GVKForObject(obj, scheme)
		if err != nil {
			t.Error(err)
		}
		if by.Label == nil || by.Label.Empty() {
			t.Errorf("all of kind %s would be cached, live sites included", gvk.Kind)
		}
		cached[gvk.String()] = true
	}
	for _, obj := range Uncached() {
		gvk, err := apiutil.GVKForObject(obj, scheme)
		if err != nil {
			t.Error(err)
		}
		if cached[gvk.String()] {
			t.Errorf("kind %s is both cached and not", gvk.Kind)
		}
	}
}

// Whoever scrapes gradus-production is told of held sites.
func TestHeldSitesAreGathered(t *testing.T) {
	run := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn"}}
	run.Spec.SiteRef.Name = "lms"
	run.SetHeld(&v1alpha1.HeldLease{Name: "gradus-lms", Fence: 1, Point: v1alpha1.PointCommitted})
	cached := fake.NewClientBuilder().WithScheme(Scheme()).WithObjects(run).Build()
	mgr, err := ctrl.NewManager(&rest.Config{Host: "http://127.0.0.1:1"}, ctrl.Options{
		Scheme: Scheme(), Metrics: server.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: ptr.To(true)},
		NewClient: func(*rest.Config, client.Options) (client.Client, error) { return cached, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctrlmetrics.Registry.Unregister(metrics.Held{Reader: cached}) })
	if err := SetupProduction(mgr, Base{Client: cached, Live: cached, Sights: &Sights{}}); err != nil {
		t.Fatal(err)
	}
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	for _, family := range families {
		if family.GetName() == "gradus_site_held" {
			told = family.String()
		}
	}
	for _, word := range []string{`"lms"`, `"Committed"`, `"GoLive"`} {
		if !strings.Contains(told, word) {
			t.Errorf("gathered %q, want %s in it", told, word)
		}
	}
}

func TestSiteOf(t *testing.T) {
	plan := &v1alpha1.UpgradePlan{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn"},
		Spec:       v1alpha1.UpgradePlanSpec{SiteRef: v1alpha1.LocalRef{Name: "lms"}},
	}
	if got := siteOf(t.Context(), plan); len(got) != 1 || got[0].String() != "campus/lms" {
		t.Errorf("got %v", got)
	}
	approval := &v1alpha1.UpgradeApproval{ObjectMeta: metav1.ObjectMeta{Namespace: "campus"}}
	if got := planOfApproval(t.Context(), approval); got != nil {
		t.Errorf("an approval of a rollback wakes %v", got)
	}
	approval.Spec.PlanRef = &v1alpha1.PlanRef{Name: "autumn"}
	if got := planOfApproval(t.Context(), approval); len(got) != 1 || got[0].String() != "campus/autumn" {
		t.Errorf("got %v", got)
	}
}

func TestConfigMapsOf(t *testing.T) {
	named := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	names := map[string]bool{}
	configMapsOf(corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		Volumes:        []corev1.Volume{{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: named("mounted")}}}},
		InitContainers: []corev1.Container{{EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: named("whole")}}}}},
		Containers: []corev1.Container{{Env: []corev1.EnvVar{{ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: named("key")}}}, {Value: "plain"}}}},
	}}, names)
	if len(names) != 3 || !names["mounted"] || !names["whole"] || !names["key"] {
		t.Errorf("found %v", names)
	}
}
