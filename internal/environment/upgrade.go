// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// hops runs the upgrade once for each version jump. A Job that changes a
// schema is never retried in place.
var hops = pipeline.Step[View]{
	Name: "Upgrade", InOrder: true,
	Each: func(v View) []string {
		if v.Env.Spec.Upgrade == nil {
			return nil
		}
		var keys []string
		for _, hop := range v.Env.Spec.Upgrade.Hops {
			keys = append(keys, hop.To)
		}
		return keys
	},
	Create: func(v View, at pipeline.At) []client.Object {
		actions, err := HopActions(v.Profile, v.params(), at.Key)
		if err != nil {
			return nil
		}
		job := v.application(at, "hop", v.imagesOf(at.Key), actions)
		job.Undisturbed = true
		return []client.Object{job.Build()}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if _, err := HopActions(v.Profile, v.params(), at.Key); err != nil {
			return pipeline.Fail("ProfileInvalid", "%v", err)
		}
		return pipeline.JobDone("Upgrading", "UpgradeFailed", func(r task.Result) pipeline.Verdict {
			return pipeline.Pass("the database says %s, nothing is pending", r.Facts["version.database"])
		})(seen)
	},
	Record: func(v View, at pipeline.At, seen pipeline.Seen) {
		// A hop that was tried again has one result, the last.
		v.Env.Status.Hops = append(
			slices.DeleteFunc(v.Env.Status.Hops, func(h v1alpha1.HopResult) bool { return h.To == at.Key }),
			HopResult(v.Env.Spec.Upgrade.Hops, at.Key, seen.Job()))
		v.found(seen.Job())
		v.part("hop to "+at.Key, seen.Job())
	},
	Timeout: View.hopDeadline,
}

// hopDeadline ends a hop; there is none without an upgrade.
func (v View) hopDeadline() time.Duration {
	if v.Env.Spec.Upgrade == nil {
		return 0
	}
	return v.Env.Spec.Upgrade.GetHopDeadline()
}

// HopActions gives what one hop does: gates of the LMS itself, upgrade with its
// evidence, and the background tasks that must run before anybody is let in.
func HopActions(p *profile.Profile, params profile.Params, to string) ([]task.Action, error) {
	params.Target = to
	var actions []task.Action
	if t, _, err := p.VerbTask(profile.PreflightVerb, params); err == nil {
		actions = append(actions, t.Actions...)
	} else if !errors.Is(err, profile.ErrNone) {
		return nil, err
	}
	upgrade, _, err := p.UpgradeTask(params)
	if err != nil {
		return nil, err
	}
	actions = append(actions, upgrade.Actions...)
	if t, _, err := p.VerbTask(profile.DrainVerb, params); err == nil {
		actions = append(actions, t.Actions...)
	} else if !errors.Is(err, profile.ErrNone) {
		return nil, err
	}
	return actions, nil
}

// HopResult tells what became of one hop.
func HopResult(all []v1alpha1.Hop, to string, job pipeline.JobOutcome) v1alpha1.HopResult {
	result := v1alpha1.HopResult{
		Hop: v1alpha1.Hop{To: to}, Verdict: "Passed", Version: job.Result.Facts["version.database"],
		Took: &metav1.Duration{Duration: Took(job)},
	}
	for _, hop := range all {
		if hop.To == to {
			result.Hop = hop
		}
	}
	if job.State != pipeline.JobSucceeded {
		result.Verdict, result.StoppedAt = "Failed", job.Result.Message
		if result.StoppedAt == "" {
			result.StoppedAt = job.Message
		}
		result.StoppedAt = message.Clip(result.StoppedAt, 2*message.Line)
	}
	return result
}
