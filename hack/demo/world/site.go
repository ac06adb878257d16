// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Folders of manifests.
const (
	siteManifests  = "test/lms/deploy/site"
	ownerManifests = "hack/demo/manifests"
)

// LiveSite deploys the test site, without the objects that are named, and
// waits until it serves and holds its data.
func (w *World) LiveSite(ctx context.Context, namespace string, without ...string) error {
	ctx, stop := context.WithTimeout(ctx, 8*time.Minute)
	defer stop()
	objects, err := w.RenderInto(ctx, siteManifests, namespace)
	if err != nil {
		return err
	}
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		return slices.Contains(without, o.GetName())
	})
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return order(a) - order(b) })
	if err := w.Put(ctx, objects); err != nil {
		return err
	}
	install := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "campus-install"}}
	if _, err := Await(ctx, w, install, finished); err != nil {
		return err
	}
	return w.Available(ctx, namespace, "campus-web")
}

// order puts namespaces before what is in them.
func order(o *unstructured.Unstructured) int {
	if o.GetKind() == "Namespace" {
		return 0
	}
	return 1
}

// finished says what a Job still lacks.
func finished(job *batchv1.Job) (string, error) {
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return "", nil
		case batchv1.JobFailed:
			return "", fmt.Errorf("run Job %s: %s", job.Name, c.Message)
		}
	}
	return "it runs", nil
}

// Owner gives Gradus what the owner of a site's namespace gives: rights, a
// volume for backups, and the Site. Then it waits until the Site is in order.
func (w *World) Owner(ctx context.Context, namespace string, mend ...func(*unstructured.Unstructured)) error {
	objects, err := w.RenderInto(ctx, ownerManifests, namespace)
	if err != nil {
		return err
	}
	for _, o := range objects {
		for _, m := range mend {
			m(o)
		}
	}
	return w.Put(ctx, objects)
}

// SiteReady waits until Gradus found all that the Site names.
func (w *World) SiteReady(ctx context.Context, namespace string) error {
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	site := &v1alpha1.Site{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Site}}
	_, err := Await(ctx, w, site, func(s *v1alpha1.Site) (string, error) {
		for _, c := range s.Status.Conditions {
			if c.Type == v1alpha1.ReadyCondition {
				if c.Status == metav1.ConditionTrue {
					return "", nil
				}
				return c.Message, nil
			}
		}
		return "Gradus has not looked at it", nil
	})
	return err
}
