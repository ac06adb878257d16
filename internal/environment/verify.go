// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// verify asks database and files, not exit codes: the version, the figures
// that must not have changed, every file that the database names, and once
// more that the copy is neutral.
var verify = pipeline.Step[View]{
	Name:        "Verify",
	AgainIfLost: true,
	Create: func(v View, at pipeline.At) []client.Object {
		actions, err := v.verifyActions()
		if err != nil {
			return nil
		}
		return []client.Object{v.application(at, "verify", v.imagesOf(v.target()), actions).Build()}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if _, err := v.verifyActions(); err != nil {
			return pipeline.Fail("ProfileInvalid", "%v", err)
		}
		return pipeline.JobDone("Verifying", "VerificationFailed", func(r task.Result) pipeline.Verdict {
			return pipeline.Pass("version %s; %s rows and all files as before",
				r.Facts["version.database"], r.Facts["count.rows"])
		})(seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		job := seen.Job()
		v.Env.Status.After = figures(v.Profile, job.Result.Facts)
		if version := job.Result.Facts["version.database"]; version != "" {
			v.Env.Status.Version = version
		}
		v.found(job)
		v.part("verify", job)
	},
}

func (v View) verifyActions() ([]task.Action, error) {
	params := v.params()
	params.BaseURL = ""
	version, _, err := v.Profile.VersionTask(params, v.wantedVersion())
	if err != nil {
		return nil, err
	}
	equal, orphans := v.Profile.SplitFigures(ByName(v.Env.Status.Before))
	count, _, err := v.Profile.CountTask(params, equal, orphans, nil)
	if err != nil {
		return nil, err
	}
	actions := slices.Concat(version.Actions, count.Actions)
	if v.dataRoot() != "" {
		missing := v.Site.Spec.Volumes[0].MissingFiles
		files, _, err := v.Profile.HashFilesTask(params, v.dataRoot(), true, missing, profile.Throttle{})
		if err != nil {
			return nil, err
		}
		actions = append(actions, files.Actions...)
	}
	if v.serves() {
		neutral, err := v.verbs(profile.AssertNeutralVerb)
		if err != nil {
			return nil, err
		}
		actions = append(actions, neutral...)
	}
	return actions, nil
}

// wantedVersion is the hop's target, or nothing where the copy stays as it is.
func (v View) wantedVersion() string {
	if v.Env.Spec.Upgrade == nil {
		return ""
	}
	return v.target()
}
