// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Touches says whether a pod works on a site: it mounts one of its volumes, or
// has its configuration or the credentials of its database.
func Touches(site *v1alpha1.Site, pod corev1.PodSpec) bool {
	claims, secrets := belongings(site)
	return slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return holds(v, claims, secrets) }) ||
		slices.ContainsFunc(slices.Concat(pod.InitContainers, pod.Containers), func(c corev1.Container) bool {
			return reads(c, secrets)
		})
}

// holds says whether a volume is of one of these claims or Secrets.
func holds(v corev1.Volume, claims, secrets []string) bool {
	switch {
	case v.PersistentVolumeClaim != nil:
		return slices.Contains(claims, v.PersistentVolumeClaim.ClaimName)
	case v.Secret != nil:
		return slices.Contains(secrets, v.Secret.SecretName)
	case v.Projected != nil:
		return slices.ContainsFunc(v.Projected.Sources, func(source corev1.VolumeProjection) bool {
			return source.Secret != nil && slices.Contains(secrets, source.Secret.Name)
		})
	}
	return false
}

// reads says whether a container has one of these Secrets in its environment.
func reads(c corev1.Container, secrets []string) bool {
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil && slices.Contains(secrets, from.SecretRef.Name) {
			return true
		}
	}
	for _, env := range c.Env {
		if env.ValueFrom == nil || env.ValueFrom.SecretKeyRef == nil {
			continue
		}
		if slices.Contains(secrets, env.ValueFrom.SecretKeyRef.Name) {
			return true
		}
	}
	return false
}

// belongings of a site by which its pods are known.
func belongings(site *v1alpha1.Site) (claims, secrets []string) {
	for _, v := range site.Spec.Volumes {
		claims = append(claims, v.ClaimName)
	}
	secrets = []string{site.Spec.Database.OwnerSecretRef.Name, site.Spec.Database.ReaderSecretRef.Name}
	if config := site.Spec.Config; config != nil {
		secrets = append(secrets, config.SecretKeyRef.Name)
	}
	return claims, secrets
}
