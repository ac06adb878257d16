// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/workload"
)

// liveSite is what a Site names, as it is now. Everything is read from the API
// server, never from a cache, and never written.
type liveSite struct {
	reader client.Reader
	site   *v1alpha1.Site
	// missing names what was not found, field first.
	missing []string
	// insists: a run works on the site, or on its way back, or has only just been
	// refused, and what may not be read is not missing.
	insists bool
}

// find reads one object of the site's namespace; a missing one is noted. So is a
// missing right: a person gives it, and no error says when that was.
func (l *liveSite) find(ctx context.Context, field, kind, name string, obj client.Object) (bool, error) {
	err := l.reader.Get(ctx, client.ObjectKey{Namespace: l.site.Namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) {
		l.missing = append(l.missing, fmt.Sprintf("%s %s (Site %s, %s)", kind, name, l.site.Name, field))
		return false, nil
	}
	if apierrors.IsForbidden(err) && !l.insists {
		l.missing = append(l.missing, fmt.Sprintf("the right to read %s %s (Site %s, %s; see config/site)",
			kind, name, l.site.Name, field))
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get %s %s/%s: %w", kind, l.site.Namespace, name, err)
	}
	return true, nil
}

// workloads reads the Deployments, by the Site's names for them.
func (l *liveSite) workloads(ctx context.Context) (map[string]*appsv1.Deployment, error) {
	out := map[string]*appsv1.Deployment{}
	for _, w := range l.site.Spec.Workloads {
		var d appsv1.Deployment
		field := fmt.Sprintf("spec.workloads[%s].targetRef", w.Name)
		ok, err := l.find(ctx, field, w.TargetRef.Kind, w.TargetRef.Name, &d)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if !slices.ContainsFunc(d.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
			return c.Name == w.ApplicationContainer
		}) {
			l.missing = append(l.missing, fmt.Sprintf(
				"container %s of Deployment %s (Site %s, spec.workloads[%s].applicationContainer)",
				w.ApplicationContainer, d.Name, l.site.Name, w.Name))
			continue
		}
		out[w.Name] = &d
	}
	return out, nil
}

// autoscalers reads those of the namespace.
func (l *liveSite) autoscalers(ctx context.Context) ([]autoscalingv2.HorizontalPodAutoscaler, error) {
	var all autoscalingv2.HorizontalPodAutoscalerList
	if err := l.reader.List(ctx, &all, client.InNamespace(l.site.Namespace)); err != nil {
		return nil, fmt.Errorf("list HorizontalPodAutoscalers: %w", err)
	}
	return all.Items, nil
}

// cronJobs reads those whose pods work on the site, such as an LMS's cron.
func (l *liveSite) cronJobs(ctx context.Context) ([]batchv1.CronJob, error) {
	var all batchv1.CronJobList
	if err := l.reader.List(ctx, &all, client.InNamespace(l.site.Namespace)); err != nil {
		return nil, fmt.Errorf("list CronJobs: %w", err)
	}
	return slices.DeleteFunc(all.Items, func(c batchv1.CronJob) bool {
		return !workload.Touches(l.site, c.Spec.JobTemplate.Spec.Template.Spec)
	}), nil
}

// database reads the server that serves this site alone; nil where it is elsewhere.
func (l *liveSite) database(ctx context.Context) (*appsv1.StatefulSet, error) {
	ref := l.site.Spec.Database.WorkloadRef
	if ref == nil {
		return nil, nil
	}
	var sts appsv1.StatefulSet
	ok, err := l.find(ctx, "spec.database.workloadRef", ref.Kind, ref.Name, &sts)
	if !ok || err != nil {
		return nil, err
	}
	return &sts, nil
}

// services reads the door and the database's own Services.
func (l *liveSite) services(ctx context.Context, database *appsv1.StatefulSet) ([]corev1.Service, error) {
	names := map[string]string{l.site.Spec.Traffic.ServiceRef.Name: "spec.traffic.serviceRef"}
	if database != nil {
		names[database.Spec.ServiceName] = "spec.database.workloadRef"
		if ref := l.site.Spec.Database.ServiceRef; ref != nil {
			names[ref.Name] = "spec.database.serviceRef"
		}
	}
	var out []corev1.Service
	for _, name := range slices.Sorted(maps.Keys(names)) {
		var service corev1.Service
		ok, err := l.find(ctx, names[name], "Service", name, &service)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, service)
		}
	}
	return out, nil
}

// claims reads the claims of the site's volumes, and the database's own under a name
// that no volume of a Site may have.
func (l *liveSite) claims(
	ctx context.Context, database *appsv1.StatefulSet,
) (map[string]*corev1.PersistentVolumeClaim, error) {
	names, fields := map[string]string{}, map[string]string{}
	for _, v := range l.site.Spec.Volumes {
		names[v.Name], fields[v.Name] = v.ClaimName, fmt.Sprintf("spec.volumes[%s].claimName", v.Name)
	}
	if database != nil && len(database.Spec.VolumeClaimTemplates) == 1 {
		own := environment.DatabaseVolume
		names[own] = database.Spec.VolumeClaimTemplates[0].Name + "-" + database.Name + "-0"
		fields[own] = "spec.database.workloadRef"
	}
	out := map[string]*corev1.PersistentVolumeClaim{}
	for _, volume := range slices.Sorted(maps.Keys(names)) {
		var claim corev1.PersistentVolumeClaim
		ok, err := l.find(ctx, fields[volume], "PersistentVolumeClaim", names[volume], &claim)
		if err != nil {
			return nil, err
		}
		if ok {
			out[volume] = &claim
		}
	}
	return out, nil
}

// getSite reads a Site of the namespace; nil when there is none.
func getSite(ctx context.Context, c client.Reader, namespace, name string) (*v1alpha1.Site, error) {
	var site v1alpha1.Site
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &site)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Site %s: %w", name, err)
	}
	return &site, nil
}

// loadProfile gives the profile of a site; nil when this version has none of that name.
func loadProfile(site *v1alpha1.Site) *profile.Profile {
	if site == nil {
		return nil
	}
	p, err := profile.Load(site.Spec.Profile)
	if err != nil {
		return nil
	}
	return &p
}
