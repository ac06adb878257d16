// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/gradus-lms/gradus/api/v1alpha1"
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
