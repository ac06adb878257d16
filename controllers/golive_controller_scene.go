// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/rollback"
)

// scene reads the live site.
func (b Base) scene(ctx context.Context, owner production.Owner, grip production.Grip) (*closing.Scene, error) {
	s := &closing.Scene{Owner: owner, Grip: grip, Image: b.Install.Image, Now: b.Clock.Now(), Pods: map[string]int{}}
	// Past every cache: the lock that keeps a Site as it was approved guards the one that is there.
	site, err := getSite(ctx, b.Live, owner.GetNamespace(), owner.SiteName())
	if err != nil || site == nil {
		return s, err
	}
	s.Site, s.Profile = site, loadProfile(site)
	if err := b.show(ctx, s); err != nil {
		return s, err
	}
	if err := b.countPods(ctx, s); err != nil {
		return s, err
	}
	if err := b.watch(ctx, s); err != nil {
		return s, err
	}
	observed, err := production.ObserveAll(ctx, b.Live, site.Namespace, *owner.Journal())
	if err != nil {
		return s, err
	}
	s.Rival = production.FirstRival(*owner.Journal(), observed)
	pods, _ := s.Running()
	s.Bypassed = pods > 0 && production.LedPast(*owner.Journal(), observed)
	return s, nil
}

// liveOf is for the reads of a run. What it may not read is missing only before it
// has begun, and only after a while.
func (b Base) liveOf(s *closing.Scene) *liveSite {
	begun := s.Owner.Held() != nil || s.Grip.Point == v1alpha1.PointCommitted
	return &liveSite{reader: b.Live, site: s.Site, insists: begun || b.Sights.blindFor(s.Owner, s.Now) < rightsLimit}
}

// show reads what is there of the scene's site.
func (b Base) show(ctx context.Context, s *closing.Scene) (err error) {
	live := b.liveOf(s)
	if s.Workloads, err = live.workloads(ctx); err != nil {
		return err
	}
	if s.CronJobs, err = live.cronJobs(ctx); err != nil {
		return err
	}
	if s.Database, err = live.database(ctx); err != nil {
		return err
	}
	services, err := live.services(ctx, s.Database)
	if err != nil {
		return err
	}
	for i := range services {
		if services[i].Name == s.Site.Spec.Traffic.ServiceRef.Name {
			s.Door = &services[i]
		}
	}
	if s.Missing = live.missing; len(s.Missing) > 0 && s.Door == nil {
		s.Door = &corev1.Service{}
	}
	return nil
}

// countPods counts the pods of the workloads that have not ended.
func (b Base) countPods(ctx context.Context, s *closing.Scene) error {
	for name, workload := range s.Workloads {
		selector, err := metav1.LabelSelectorAsSelector(workload.Spec.Selector)
		if err != nil {
			return fmt.Errorf("read selector of Deployment %s: %w", workload.Name, err)
		}
		n, err := b.countRunning(ctx, s.Site.Namespace, client.MatchingLabelsSelector{Selector: selector})
		if err != nil {
			return err
		}
		s.Pods[name] = n
	}
	return b.countCronPods(ctx, s)
}

// countCronPods counts the pods of the Jobs that a CronJob of the site started.
func (b Base) countCronPods(ctx context.Context, s *closing.Scene) error {
	if len(s.CronJobs) == 0 {
		return nil
	}
	var jobs batchv1.JobList
	if err := b.Live.List(ctx, &jobs, client.InNamespace(s.Site.Namespace)); err != nil {
		return fmt.Errorf("list Jobs: %w", err)
	}
	for _, cron := range s.CronJobs {
		for _, job := range jobs.Items {
			if !metav1.IsControlledBy(&job, &cron) {
				continue
			}
			n, err := b.countRunning(ctx, s.Site.Namespace, client.MatchingLabels{batchv1.JobNameLabel: job.Name})
			if err != nil {
				return err
			}
			s.Pods[closing.CronPods(cron.Name)] += n
		}
	}
	return nil
}

func (b Base) countRunning(ctx context.Context, namespace string, which client.ListOption) (int, error) {
	var pods corev1.PodList
	if err := b.Live.List(ctx, &pods, client.InNamespace(namespace), which); err != nil {
		return 0, fmt.Errorf("list Pods of %s: %w", namespace, err)
	}
	n := 0
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			n++
		}
	}
	return n, nil
}

// bypass lets a run that is deleted past the point of no return, and only waits for another, keep
// that somebody leads users past its holding page.
func (b Base) bypass(ctx context.Context, owner productionObject, grip production.Grip) error {
	door := pages(owner)
	observed, err := production.ObserveAll(ctx, b.Live, owner.GetNamespace(), door)
	if err != nil || !production.LedPast(door, observed) {
		return err
	}
	scene, err := b.scene(ctx, owner, grip)
	if err != nil || scene.Site == nil {
		return err
	}
	switch run := owner.(type) {
	case *v1alpha1.GoLive:
		golive.View{Scene: scene, GoLive: run}.Remember()
	case *v1alpha1.Rollback:
		rollback.View{Scene: scene, Rollback: run}.Remember()
	}
	return nil
}
