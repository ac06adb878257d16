// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// broken is what of the upgrade did not work.
type broken struct {
	reason, message string
	// component that a finding names: the hop, or the check.
	component string
}

// breakage tells a verdict on the upgrade from a trial that could not be
// carried out: the copy failed in a step that concerns the new version.
func breakage(upgrade v1alpha1.UpgradeSpec, env *v1alpha1.StagingEnvironment) (broken, bool) {
	stalled := meta.FindStatusCondition(env.Status.Conditions, v1alpha1.StalledCondition)
	for _, step := range env.Status.Steps {
		// A stranger's object or an unknown step stalls the copy while a step of the upgrade is next.
		if step.State != v1alpha1.StepFailed || stalled != nil && stalled.Reason != step.Reason {
			continue
		}
		if step.Reason == v1alpha1.UnknownStepReason || step.Reason == v1alpha1.JobLostReason {
			continue
		}
		b := broken{reason: step.Reason}
		switch step.Name {
		case "Upgrade":
			number, hop := hopTo(upgrade.Hops, step.Key)
			b.component = fmt.Sprintf("hop %s to %s", hop.From, hop.To)
			b.message = fmt.Sprintf("hop %d of %d (%s to %s) failed: %s",
				number, len(upgrade.Hops), hop.From, hop.To, step.Message)
		case "Verify":
			b.component = "verification"
			b.message = fmt.Sprintf("after %d hop(s) the verification failed: %s", len(upgrade.Hops), step.Message)
		case "StartApplication":
			b.component = "application"
			b.message = fmt.Sprintf("after %d hop(s) the application does not start: %s", len(upgrade.Hops), step.Message)
		case "Smoke":
			b.component = "smoke checks"
			b.message = fmt.Sprintf("after %d hop(s) the smoke checks failed: %s", len(upgrade.Hops), step.Message)
		default:
			continue
		}
		return b, true
	}
	return broken{}, false
}

func hopTo(hops []v1alpha1.Hop, to string) (int, v1alpha1.Hop) {
	i := slices.IndexFunc(hops, func(h v1alpha1.Hop) bool { return h.To == to })
	if i < 0 {
		return 0, v1alpha1.Hop{To: to}
	}
	return i + 1, hops[i]
}

// record takes the report from the copy, which will be gone.
func record(t *v1alpha1.TrialUpgrade, env *v1alpha1.StagingEnvironment, now time.Time) {
	status := &t.Status
	status.CodeVersion = env.Status.CodeVersion
	status.Hops, status.Parts = slices.Clone(env.Status.Hops), slices.Clone(env.Status.Parts)
	status.Before, status.After = slices.Clone(env.Status.Before), slices.Clone(env.Status.After)
	status.Findings, status.KeptUntil = slices.Clone(env.Status.Findings), nil
	condition := metav1.Condition{
		Type: v1alpha1.PassedCondition, Status: metav1.ConditionTrue, ObservedGeneration: t.Generation,
		Reason: "Passed", Message: fmt.Sprintf("%d hop(s) to %s passed", len(t.Spec.Upgrade.Hops), env.Status.Version),
	}
	if failed, ok := breakage(t.Spec.Upgrade, env); ok {
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, failed.reason, failed.message
		blame(status, failed)
		if keep := t.Spec.KeepOnFailure; keep != nil && keep.Duration > 0 {
			status.KeptUntil = &metav1.Time{Time: now.Add(keep.Duration).Truncate(time.Second)}
		}
	}
	if len(status.Findings) > v1alpha1.MaxFindings {
		status.Findings = status.Findings[:v1alpha1.MaxFindings]
	}
	meta.SetStatusCondition(&status.Conditions, condition)
	status.ReportDigest = Digest(t)
}

// blame puts the failure first among the findings, unless the agent told it.
func blame(status *v1alpha1.TrialUpgradeStatus, failed broken) {
	told := slices.ContainsFunc(status.Findings, func(f v1alpha1.Finding) bool {
		return f.Code == failed.reason && (f.Severity == v1alpha1.SeverityCritical || f.Severity == v1alpha1.SeverityMajor)
	})
	if told {
		return
	}
	status.Findings = slices.Insert(status.Findings, 0, v1alpha1.Finding{
		Severity: v1alpha1.SeverityCritical, Code: failed.reason, Component: failed.component,
		Message: message.Clip(failed.message, message.Step),
	})
}
