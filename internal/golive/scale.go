// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/workload"
)

// patienceForPods is how long users wait for extra pods with the site closed:
// fewer pods than planned are better than no site.
const patienceForPods = 3 * time.Minute

// scaleUp gives workloads more pods: those that serve users before the doors
// open, the others not before they have the pods they had. What an autoscaler
// governs is scaled by its floor.
func scaleUp(name string, serving bool) pipeline.Step[View] {
	return pipeline.Step[View]{
		Name:   name,
		Change: func(v View, _ pipeline.At) []v1alpha1.Change { return v.morePods(serving) },
		Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			switch {
			case len(v.scaledHere(serving)) == 0:
				return pipeline.Skip("NoneAskedFor", "the plan scales nothing here")
			case seen.Foreign != nil:
				return v.Stopped(seen)
			case !seen.Changed:
				return pipeline.Wait("Scaling", "workloads get more pods").By(seen.Now.Add(time.Second))
			}
			short := v.short(serving)
			if len(short) == 0 {
				return pipeline.Pass("%s", v.scaledTo(serving))
			}
			late := at.Entry.Started != nil && seen.Now.Sub(at.Entry.Started.Time) > patienceForPods
			if late {
				return pipeline.Pass("users are let in with fewer pods than planned: %s", strings.Join(short, ", "))
			}
			return pipeline.Wait("PodsStarting", "%s", strings.Join(short, ", ")).By(seen.Now.Add(3 * time.Second))
		},
	}
}

// scaledHere gives the workloads that serve users, or the others, and that the
// plan gives more pods.
func (v View) scaledHere(serving bool) []v1alpha1.Workload {
	var out []v1alpha1.Workload
	for _, w := range v.Site.Spec.Workloads {
		if (w.Role == v1alpha1.RoleWeb) == serving && v.asked(w.Name) > 0 {
			out = append(out, w)
		}
	}
	return out
}

func (v View) morePods(serving bool) []v1alpha1.Change {
	var changes []v1alpha1.Change
	for _, w := range v.scaledHere(serving) {
		n := v.asked(w.Name)
		if v.enough(w, n) {
			continue
		}
		kind, name, field := w.TargetRef.Kind, w.TargetRef.Name, v1alpha1.FieldReplicas
		if hpa := workload.Autoscaler(v.Autoscalers, w.TargetRef); hpa != nil {
			kind, name, field = "HorizontalPodAutoscaler", hpa.Name, v1alpha1.FieldMinReplicas
		}
		changes = append(changes, production.Want(closing.ScaleID(w.Name), kind, name, field, "", n, v1alpha1.UndoAlways))
	}
	return changes
}

// asked gives the number of pods that the plan wants of a workload; 0 for none.
func (v View) asked(name string) int32 {
	for _, s := range v.GoLive.Spec.Scale {
		if s.Workload == name {
			return s.Replicas
		}
	}
	return 0
}

// enough says whether a workload had as many pods as are asked for, so that
// nothing is changed and nothing taken away.
func (v View) enough(w v1alpha1.Workload, n int32) bool {
	for _, c := range v.GoLive.Status.Changes {
		if c.ID == closing.ScaleID(w.Name) {
			return false // it is ours already: go on with it
		}
	}
	if hpa := workload.Autoscaler(v.Autoscalers, w.TargetRef); hpa != nil {
		return ptr.Deref(hpa.Spec.MinReplicas, 1) >= n
	}
	d := v.Workloads[w.Name]
	return d == nil || ptr.Deref(d.Spec.Replicas, 1) >= n
}

// short names the workloads that have not all of their pods. While the site is
// locked an autoscaler cannot start any: it is not waited for.
func (v View) short(serving bool) []string {
	var out []string
	for _, w := range v.scaledHere(serving) {
		d, n := v.Workloads[w.Name], v.asked(w.Name)
		if d == nil || workload.Autoscaler(v.Autoscalers, w.TargetRef) != nil || d.Status.AvailableReplicas >= n {
			continue
		}
		out = append(out, fmt.Sprintf("%d of %d pods of %s are available", d.Status.AvailableReplicas, n, w.Name))
	}
	return out
}

// scaledTo tells who has how many pods, or soon will.
func (v View) scaledTo(serving bool) string {
	var out []string
	for _, w := range v.scaledHere(serving) {
		text := fmt.Sprintf("%s has %d pods", w.Name, v.asked(w.Name))
		if hpa := workload.Autoscaler(v.Autoscalers, w.TargetRef); hpa != nil {
			text = fmt.Sprintf("autoscaler %s starts at least %d pods of %s once the site is unlocked",
				hpa.Name, v.asked(w.Name), w.Name)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// Aftercare are the steps of a go-live that left something standing when it
// let the site go: they have a ledger of their own, for its verdict is known.
var Aftercare = []pipeline.Step[View]{
	awaitSupport,                 // the extra pods stay until support ends
	closing.TakeLease[View](),    // no other run is at work
	closing.ScaleBack[View](),    // exactly to what was found
	closing.ReleaseLease[View](), // nothing is held any more
}

// awaitSupport waits for the end of the plan's support. Without its plan a
// go-live puts back at once: nobody would ever say when.
var awaitSupport = pipeline.Step[View]{
	Name: "AwaitSupport",
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if v.Plan == nil || !v.Plan.DeletionTimestamp.IsZero() {
			return pipeline.Pass("its plan is gone")
		}
		for _, e := range v.Plan.Status.Steps {
			if e.Name != v1alpha1.StepSupport {
				continue
			}
			switch e.State {
			case v1alpha1.StepPassed, v1alpha1.StepSkipped, v1alpha1.StepFailed:
				return pipeline.Pass("support is over")
			}
		}
		if ended(v.Plan) {
			return pipeline.Pass("its plan is over")
		}
		return pipeline.Wait("Supporting", "%s until support ends", strings.Join(Extra(v.GoLive), ", "))
	},
}

// ended says whether a plan came to its end, whichever.
func ended(plan *v1alpha1.UpgradePlan) bool {
	for _, c := range plan.Status.Conditions {
		if c.Type == v1alpha1.CompleteCondition {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}

// Extra tells what stands after a go-live that is over, in words.
func Extra(g *v1alpha1.GoLive) []string {
	var out []string
	for _, c := range v1alpha1.Standing(g.Status.Changes) {
		if c.After == nil || c.Before == nil {
			continue
		}
		out = append(out, fmt.Sprintf("%s of %s %s is %s (before: %s)",
			c.Field, c.Target.Kind, c.Target.Name, c.After.Raw, c.Before.Raw))
	}
	return out
}

// Ledger is the one by which a go-live moves: that of its steps, and after its
// end, while something stands, that of aftercare.
func Ledger(g *v1alpha1.GoLive) *[]v1alpha1.StepStatus {
	if end, over := Over(g); !over || end.State != v1alpha1.StepPassed {
		return &g.Status.Steps
	}
	if len(g.Status.Aftercare) == 0 && len(v1alpha1.Standing(g.Status.Changes)) == 0 {
		return &g.Status.Steps
	}
	if len(g.Status.Aftercare) == 0 {
		g.Status.Aftercare = pipeline.Ledger(Aftercare)
	}
	return &g.Status.Aftercare
}
