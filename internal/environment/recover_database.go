// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// recoverDatabase starts the server on the cloned volume without a network,
// as after a power cut. What comes up is counted, and every role of the LMS
// gets a password of the copy's own.
var recoverDatabase = pipeline.Step[View]{
	Name: "RecoverDatabase",
	Create: func(v View, at pipeline.At) []client.Object {
		actions, err := v.recoverActions()
		if err != nil {
			return nil
		}
		return []client.Object{v.serverJob(at, "recover", actions).Build()}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if _, err := v.recoverActions(); err != nil {
			return pipeline.Fail("ProfileInvalid", "%v", err)
		}
		return pipeline.JobDone("RecoveringDatabase", "RecoverFailed", func(r task.Result) pipeline.Verdict {
			return pipeline.Pass("PostgreSQL %s recovered; %s rows in %s tables",
				r.Facts["recover.serverVersion"], r.Facts["count.rows"], r.Facts["count.tables"])
		})(seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		job := seen.Job()
		v.Env.Status.Before = figures(v.Profile, job.Result.Facts)
		v.Env.Status.Version = job.Result.Facts["version.database"]
		v.Env.Status.DatabaseImage = v.server().Image
		v.part("recover database", job)
	},
}

func (v View) recoverActions() ([]task.Action, error) {
	database := v.Site.Spec.Database
	recovering, _, err := v.Profile.RecoverTask(v.params(), v.dataDir(), database.Name, nil)
	if err != nil {
		return nil, err
	}
	inside := recovering.Actions[0].Recover
	if v.Profile.Truth.Version != "" {
		version, _, err := v.Profile.VersionTask(profile.Params{
			Prefix: database.TablePrefix, Reader: task.Database{Name: database.Name},
		}, "")
		if err != nil {
			return nil, err
		}
		inside.Actions = append(inside.Actions, version.Actions...)
	}
	for _, r := range []struct{ role, dir string }{
		{database.GetOwnerRole(), ownerDir}, {database.GetReaderRole(), readerDir},
	} {
		inside.Actions = append(inside.Actions, task.Action{
			Name: "rotate-" + strings.ReplaceAll(r.role, "_", "-"),
			RotatePassword: &task.RotatePassword{
				Database: task.Database{Name: database.Name}, Role: r.role, PasswordFile: r.dir + "/password",
			},
		})
	}
	return recovering.Actions, nil
}
