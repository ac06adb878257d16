// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// review compares what was planned with what happened.
var review = pipeline.Step[View]{
	Name: v1alpha1.StepReview, Needs: after(v1alpha1.StepSupport),
	Judge: func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
		return pipeline.Pass("the review is written (review.md)")
	},
	Documents: func(v View, _ pipeline.At) map[string][]byte {
		return map[string][]byte{"review.md": reviewReport(v)}
	},
}

// celebrate closes the plan and lets go of the site.
var celebrate = pipeline.Step[View]{
	Name: v1alpha1.StepCelebrate, Needs: after(v1alpha1.StepReview),
	Judge: func(v View, _ pipeline.At, _ pipeline.Seen) pipeline.Verdict {
		if v.GoLive != nil && len(v1alpha1.Standing(v.GoLive.Status.Changes)) > 0 {
			return pipeline.Wait("ScalingBack", "go-live %s takes the extra pods away", v.GoLive.Name)
		}
		return pipeline.Pass("%s runs %s; nothing is held any more",
			v.Plan.Spec.SiteRef.Name, v.Plan.Spec.Target.Version)
	},
	Documents: func(v View, _ pipeline.At) map[string][]byte {
		return map[string][]byte{"close-out.md": closeOut(v)}
	},
}

func reviewReport(v View) []byte {
	var b strings.Builder
	plan := v.Plan
	fmt.Fprintf(&b, "# Review of %s: %s, %s to %s\n\n",
		plan.Name, v.Site.Name, plan.Status.Summary.From, plan.Spec.Target.Version)
	if r := plan.Status.Rollout; r != nil && r.ActualOutage != nil && r.PredictedOutage != nil {
		fmt.Fprintf(&b, "Users were shut out for %s; predicted was %s with margin.\n\n",
			r.ActualOutage.Duration, r.PredictedOutage.Duration)
	}
	reviewSteps(&b, v)
	reviewParts(&b, v)
	if len(plan.Status.Findings) > 0 {
		b.WriteString("\n## Findings\n\n")
		for _, f := range plan.Status.Findings {
			fmt.Fprintf(&b, "- %s %s: %s\n", f.Severity, f.Component, f.Message)
		}
	}
	return []byte(b.String())
}

// reviewSteps tells how long every step took.
func reviewSteps(b *strings.Builder, v View) {
	b.WriteString("| step | state | began | took | what |\n|---|---|---|---|---|\n")
	for _, s := range v.Plan.Status.Steps {
		began, took := "", ""
		if s.Started != nil {
			began = v.local(s.Started.Time)
			if s.Finished != nil {
				took = s.Finished.Sub(s.Started.Time).Round(time.Second).String()
			}
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n",
			s.Name, s.State, began, took, strings.ReplaceAll(s.Message, "|", "/"))
	}
}

// reviewParts sets what the trial took beside what go-live took.
func reviewParts(b *strings.Builder, v View) {
	b.WriteString("\n## Outage by parts\n\n| part | trial | with margin | go-live |\n|---|---|---|---|\n")
	var parts []v1alpha1.TimedPart
	if v.GoLive != nil {
		parts = v.GoLive.Status.Parts
	}
	actual := map[string]string{}
	for _, p := range parts {
		if p.Actual != nil {
			actual[p.Name] = p.Actual.Duration.String()
		}
	}
	if v.Plan.Status.Rollout != nil {
		for _, p := range v.Plan.Status.Rollout.Parts {
			rehearsed := "not rehearsed"
			if p.Measured != nil {
				rehearsed = p.Measured.Duration.String()
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", p.Name, rehearsed, p.WithMargin.Duration, actual[p.Name])
			delete(actual, p.Name)
		}
	}
	for _, p := range parts {
		if took, ok := actual[p.Name]; ok {
			fmt.Fprintf(b, "| %s | not measured | | %s |\n", p.Name, took)
		}
	}
}

func closeOut(v View) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s runs %s\n\n", v.Site.Name, v.Plan.Spec.Target.Version)
	if v.GoLive != nil {
		for _, c := range v.GoLive.Status.After {
			fmt.Fprintf(&b, "- %s: %s\n", c.Name, c.Value)
		}
	}
	if r := v.Plan.Status.Rollout; r != nil && r.ActualOutage != nil {
		fmt.Fprintf(&b, "\nUsers were shut out for %s.\n", r.ActualOutage.Duration)
	}
	fmt.Fprintf(&b, "\nThe backup %s and the side that was replaced are kept until a person removes them.\n",
		v.Plan.Status.Backup)
	return []byte(b.String())
}
