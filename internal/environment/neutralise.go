// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"cmp"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// neutralise switches off everything by which a copy could reach people or
// systems, and then asks the LMS itself whether all is off. It fails closed:
// without a proof the application never starts.
var neutralise = pipeline.Step[View]{
	Name: "Neutralise",
	Create: func(v View, at pipeline.At) []client.Object {
		actions, err := v.neutraliseActions()
		if !v.serves() || err != nil {
			return nil
		}
		return []client.Object{v.application(at, "neutralise", nil, append(actions, v.asksVersion()...)).Build()}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.serves() {
			return pipeline.Skip("NoApplication", "a Scratch copy runs no application")
		}
		if _, err := v.neutraliseActions(); err != nil {
			return pipeline.Fail("CannotNeutralise", "%v", err)
		}
		return pipeline.JobDone("Neutralising", "NotNeutral", func(task.Result) pipeline.Verdict {
			return pipeline.Pass("mail, cron, payment, push and outgoing hooks are off, as the LMS itself says")
		})(seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		job := seen.Job()
		v.Env.Status.CodeVersion = message.Clip(
			cmp.Or(job.Result.Facts["version.disk"], job.Result.Facts["version.version"]), 64)
		v.Env.Status.Silence = ""
		if job.State == pipeline.JobSucceeded {
			v.Env.Status.Silence = "network closed in every pod before it started; " +
				"the LMS says that mail, cron, payment, push and hooks are off"
		}
	},
}

func (v View) neutraliseActions() ([]task.Action, error) {
	return v.verbs(profile.NeutraliseVerb, profile.AssertNeutralVerb)
}

// asksVersion asks the LMS's own code for its version, which no other Job does:
// this is the first in which that code runs. A code that does not tell keeps nobody.
func (v View) asksVersion() []task.Action {
	actions, err := v.verbs(profile.VersionVerb)
	if err != nil {
		return nil
	}
	for i := range actions {
		actions[i].Advisory = true
	}
	return actions
}

// verbs puts the actions of several verbs into one task: few, fat Jobs.
func (v View) verbs(names ...profile.VerbName) ([]task.Action, error) {
	var actions []task.Action
	for _, name := range names {
		t, _, err := v.Profile.VerbTask(name, v.params())
		if err != nil {
			return nil, err
		}
		actions = append(actions, t.Actions...)
	}
	return actions, nil
}
