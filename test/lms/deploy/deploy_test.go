// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package deploy holds the manifests of the live site.
package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/test/lms/config"
)

// documents are the manifests of both folders, one text each.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("*/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	found := map[string]string{}
	for _, path := range paths {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			var meta metav1.PartialObjectMetadata
			if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			found[meta.Kind+"/"+meta.Name] = document
		}
	}
	return found
}

// decode reads a manifest strictly and gives its pod, if it has one.
func decode(t *testing.T, name, text string) *corev1.PodSpec {
	t.Helper()
	kind, _, _ := strings.Cut(name, "/")
	var object any
	var pod *corev1.PodSpec
	switch kind {
	case "Deployment":
		d := &appsv1.Deployment{}
		object, pod = d, &d.Spec.Template.Spec
	case "StatefulSet":
		s := &appsv1.StatefulSet{}
		object, pod = s, &s.Spec.Template.Spec
	case "Job":
		j := &batchv1.Job{}
		object, pod = j, &j.Spec.Template.Spec
	case "Service":
		object = &corev1.Service{}
	case "Secret":
		object = &corev1.Secret{}
	case "ConfigMap":
		object = &corev1.ConfigMap{}
	case "Namespace":
		object = &corev1.Namespace{}
	case "PersistentVolumeClaim":
		object = &corev1.PersistentVolumeClaim{}
	case "NetworkPolicy":
		object = &networkingv1.NetworkPolicy{}
	default:
		t.Fatalf("%s: unexpected kind", name)
	}
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return pod
}

func TestManifestsAreStrictAndPodsRestricted(t *testing.T) {
	pods := 0
	for name, text := range documents(t) {
		pod := decode(t, name, text)
		if pod == nil {
			continue
		}
		pods++
		security := pod.SecurityContext
		if security == nil || security.RunAsNonRoot == nil || !*security.RunAsNonRoot || security.FSGroup != nil ||
			security.SeccompProfile == nil || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod is not restricted, or has an fsGroup", name)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s: the pod has a token", name)
		}
		for _, container := range append(pod.InitContainers, pod.Containers...) {
			restricted := container.SecurityContext
			if restricted == nil || *restricted.AllowPrivilegeEscalation || !*restricted.ReadOnlyRootFilesystem ||
				len(restricted.Capabilities.Drop) != 1 || restricted.Capabilities.Drop[0] != "ALL" {
				t.Errorf("%s: container %s is not restricted", name, container.Name)
			}
		}
	}
	if pods != 5 {
		t.Errorf("%d pods", pods)
	}
}

func TestConfigurationOfTheSecretLoads(t *testing.T) {
	var secret corev1.Secret
	if err := yaml.Unmarshal([]byte(documents(t)["Secret/campus-config"]), &secret); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(secret.StringData["config.json"]), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, func(name string) string {
		if name == "CAMPUS_DB_PASSWORD" {
			return "hush"
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Database.Host != "campus-db" || cfg.Database.Password != "hush" || cfg.SMTP.Host == "" || cfg.WebhookURL == "" {
		t.Errorf("configuration: %+v", cfg)
	}
}
