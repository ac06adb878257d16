// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package metrics is the one place where metrics of Gradus are declared.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var (
	steps = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gradus_steps_total",
		Help: "Steps that were settled, by kind of object, step, state and reason.",
	}, []string{"kind", "step", "state", "reason"})
	duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "gradus_step_duration_seconds",
		Help:    "Time from the start of a step's attempt until it was settled.",
		Buckets: prometheus.ExponentialBuckets(1, 3, 10),
	}, []string{"kind", "step"})
	held = prometheus.NewDesc("gradus_site_held",
		"1 while a go-live or rollback holds the site; point says what a crash leads to: "+
			"Reversible (opened again) or Committed (stays closed).",
		[]string{"namespace", "site", "kind", "point"}, nil)
)

func init() { metrics.Registry.MustRegister(steps, duration) }

// Settled records a step that came to rest. It is called after the status was written.
func Settled(kind string, s v1alpha1.StepStatus) {
	steps.WithLabelValues(kind, s.Name, string(s.State), s.Reason).Inc()
	if s.Started != nil && s.Finished != nil {
		duration.WithLabelValues(kind, s.Name).Observe(s.Finished.Sub(s.Started.Time).Seconds())
	}
}

// Held tells at every scrape which sites are held, from the cache. Nothing has
// to be kept in step with it, so it cannot lie after a crash.
type Held struct{ Reader client.Reader }

// Register adds the gauge to the manager's registry.
func (h Held) Register() error { return metrics.Registry.Register(h) }

// Describe names the gauge.
func (h Held) Describe(ch chan<- *prometheus.Desc) { ch <- held }

// Collect lists the runs that hold a lease.
func (h Held) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// A run that lost its lease to another still has it in its status, and a
	// series that is told twice fails the whole scrape.
	told := map[[4]string]bool{}
	emit := func(namespace, site, kind string, lease *v1alpha1.HeldLease) {
		if lease == nil {
			return
		}
		labels := [4]string{namespace, site, kind, string(lease.Point)}
		if !told[labels] {
			told[labels] = true
			ch <- prometheus.MustNewConstMetric(held, prometheus.GaugeValue, 1, labels[:]...)
		}
	}
	var runs v1alpha1.GoLiveList
	if err := h.Reader.List(ctx, &runs); err == nil {
		for _, g := range runs.Items {
			emit(g.Namespace, g.Spec.SiteRef.Name, "GoLive", g.Status.Lease)
		}
	}
	var backs v1alpha1.RollbackList
	if err := h.Reader.List(ctx, &backs); err == nil {
		for _, b := range backs.Items {
			emit(b.Namespace, b.Spec.SiteRef.Name, "Rollback", b.Status.Lease)
		}
	}
}
