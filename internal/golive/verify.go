// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// verify asks the database for its version, counts what must be as it was at
// the fix point, and hashes every file that the database names.
var verify = pipeline.Step[View]{
	Name:        "Verify",
	AgainIfLost: true,
	Create: func(v View, at pipeline.At) []client.Object {
		job, err := v.verifyJob(at)
		if err != nil {
			return nil
		}
		return []client.Object{job}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if _, err := v.verifyJob(at); err != nil {
			return closing.Unbuildable(err)
		}
		return pipeline.JobDone("Verifying", "VerificationFailed", func(r task.Result) pipeline.Verdict {
			return pipeline.Pass("the database is at %s, every figure is as it was", r.Facts["version.database"])
		})(seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		result := seen.Job().Result
		v.GoLive.Status.After = environment.Figures(v.Profile, result.Facts, "count.")
		v.GoLive.Status.Version = result.Facts["version.database"]
		v.GoLive.Status.Findings = findings(result)
	},
}

func (v View) verifyJob(at pipeline.At) (*batchv1.Job, error) {
	q := v.Params()
	q.Target = v.target()
	return v.VerifyJob(at, q, v.GoLive.Status.Before, func(volume v1alpha1.SiteVolume) string { return volume.ClaimName })
}

// findings of a result, as the API keeps them.
func findings(r task.Result) []v1alpha1.Finding {
	severities := map[task.Severity]v1alpha1.Severity{
		task.Info: v1alpha1.SeverityInfo, task.Warning: v1alpha1.SeverityMinor, task.Blocking: v1alpha1.SeverityCritical,
	}
	var out []v1alpha1.Finding
	for _, f := range r.Findings {
		if len(out) == v1alpha1.MaxFindings {
			break
		}
		out = append(out, v1alpha1.Finding{
			Severity: severities[f.Severity], Code: message.Clip(f.Code, 64),
			Component: message.Clip(f.Component, 250), Message: message.Clip(f.Message, 1000),
		})
	}
	return out
}
