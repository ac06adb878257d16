// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/agent/postgres"
	"github.com/gradus-lms/gradus/internal/agent/probe"
	"github.com/gradus-lms/gradus/internal/agent/tree"
	"github.com/gradus-lms/gradus/internal/task"
)

// dispatch is the list of all that the agent can do.
func (r *runner) dispatch(ctx context.Context, a task.Action, p *evidence.Page) error {
	switch {
	case a.Command != nil:
		_, err := r.command(ctx, *a.Command, p)
		return err
	case a.Version != nil:
		return r.version(ctx, *a.Version, p)
	case a.Plugins != nil:
		return r.plugins(ctx, *a.Plugins, p)
	case a.Recover != nil:
		return r.recover(ctx, *a.Recover, p)
	case a.HashTree != nil:
		return r.hashTree(ctx, *a.HashTree, p)
	case a.CopyTree != nil:
		return tree.Copy(ctx, *a.CopyTree, p)
	case a.LinkTree != nil:
		return tree.Link(ctx, *a.LinkTree, p)
	case a.Clear != nil:
		return tree.Clear(ctx, *a.Clear, p)
	case a.Probe != nil:
		return probe.Run(ctx, *a.Probe, p)
	}
	return r.database(ctx, a, p)
}

// database is the part of the list that works on a database alone.
func (r *runner) database(ctx context.Context, a task.Action, p *evidence.Page) error {
	switch {
	case a.Query != nil:
		return postgres.Query(ctx, *a.Query, p)
	case a.Execute != nil:
		return postgres.Execute(ctx, *a.Execute, p)
	case a.Count != nil:
		return postgres.Count(ctx, *a.Count, p)
	case a.Sessions != nil:
		return postgres.Sessions(ctx, *a.Sessions, p)
	case a.Dump != nil:
		return postgres.Dump(ctx, *a.Dump, p)
	case a.VerifyDump != nil:
		return postgres.VerifyDump(ctx, *a.VerifyDump, r.tmp, p)
	case a.Restore != nil:
		return postgres.Restore(ctx, *a.Restore, p)
	case a.Rename != nil:
		return postgres.Rename(ctx, *a.Rename, p)
	case a.RotatePassword != nil:
		return postgres.RotatePassword(ctx, *a.RotatePassword, p)
	}
	return task.Fail(task.InvalidTask, "the action has no kind")
}

// recover proves that a copy of a data directory comes up, and runs the nested actions there.
func (r *runner) recover(ctx context.Context, spec task.Recover, p *evidence.Page) error {
	return postgres.Recover(ctx, spec, r.tmp, p, func(ctx context.Context, fill func(*task.Database)) error {
		inner := &runner{book: r.book, known: r.known, tmp: r.tmp}
		inner.all(ctx, spec.Actions, fill)
		if inner.failure != nil {
			return task.FailBecause(inner.failure, task.ReasonOf(inner.failure, task.RecoverFailed), "%s", inner.failed)
		}
		return nil
	})
}

// hashTree proves a tree, then that what the database knows is in it.
func (r *runner) hashTree(ctx context.Context, spec task.HashTree, p *evidence.Page) error {
	if err := tree.Hash(ctx, spec, p); err != nil || spec.Referenced == nil {
		return err
	}
	refs := tree.NewReferences(spec.Root, p)
	err := postgres.Each(ctx, spec.Referenced.Database, spec.Referenced.SQL, &p.Scrubber, func(_, v []string) error {
		size := ""
		if len(v) > 1 {
			size = v[1]
		}
		return refs.Check(v[0], size)
	})
	if err != nil {
		return err
	}
	return refs.Conclude(spec.Referenced.MissingBefore)
}
