// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// closing brings a go-live to where its doors are shut and nothing is irreversible.
func (w *world) closing() {
	w.t.Helper()
	w.order(nil)
	w.outcomes["-awaitsilence-"] = pipeline.JobOutcome{State: pipeline.JobRunning}
	w.until("quiet", func(g *v1alpha1.GoLive) bool { return state(g, "AwaitSilence") == v1alpha1.StepRunning })
	w.outcomes = map[string]pipeline.JobOutcome{}
}

// What the point of no return asks is the Site that is there, whatever a cache shows: the
// lock, which keeps a Site as it is from then on, keeps that one.
func TestASiteEditedWhileItClosesIsNotUpgraded(t *testing.T) {
	w := newWorld(t)
	w.closing()
	site, shown := &v1alpha1.Site{ObjectMeta: w.meta("campus")}, &v1alpha1.Site{}
	w.must(w.admin.Get(w.ctx, client.ObjectKeyFromObject(site), site))
	site.DeepCopyInto(shown)
	site.Spec.Workloads = site.Spec.Workloads[:1]
	w.must(w.admin.Update(w.ctx, site))
	w.cached = func(c client.WithWatch) client.WithWatch {
		return interceptor.NewClient(c, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if s, ok := o.(*v1alpha1.Site); ok {
					shown.DeepCopyInto(s)
					return nil
				}
				return c.Get(ctx, key, o, opts...)
			},
		})
	}
	g := w.until("over", over)
	if c := succeeded(g); c.Status != metav1.ConditionFalse || c.Reason != "SubjectChanged" {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// A reason is a person's, of any length: what a status cannot hold would keep the site closed.
func TestAnAbortWithALongReasonOpensTheSite(t *testing.T) {
	w := newWorld(t)
	w.closing()
	plan := &v1alpha1.UpgradePlan{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "plan"}, plan))
	metav1.SetMetaDataAnnotation(&plan.ObjectMeta, v1alpha1.AbortAnnotation, strings.Repeat("ü, and more. ", 4000))
	w.must(w.admin.Update(w.ctx, plan))
	if c := succeeded(w.until("over", over)); c.Reason != "PlanAborted" || !strings.Contains(c.Message, "was aborted: ü, and more.") {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:1.0")
}

// A deadline is not what runs: people open the site by the digest that their plan shows now.
func TestADeadlineEditedLateKeepsNobodyOut(t *testing.T) {
	w := newWorld(t)
	w.looking("")
	plan := &v1alpha1.UpgradePlan{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "plan"}, plan))
	plan.Spec.Upgrade.HopDeadline = &metav1.Duration{Duration: 9 * time.Hour}
	w.must(w.admin.Update(w.ctx, plan))
	w.decide("tester", "testers", w.subject(plan, v1alpha1.GateOpen), v1alpha1.DecisionApprove)
	if c := succeeded(w.until("over", over)); c.Status != metav1.ConditionTrue {
		t.Errorf("%s: %s", c.Reason, c.Message)
	}
	w.wantServing("campus:2.0")
}
