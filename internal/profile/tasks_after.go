// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

// AftermathTask asks the database what became of an upgrade whose pod died:
// a dead client's statement goes on and may commit. Nothing in it fails; the
// facts are "still.running", "lock.until", "version.database".
func (p Profile) AftermathTask(q Params) (task.Task, Image, error) {
	var actions []task.Action
	ask := func(name, sql string) {
		if sql != "" {
			actions = append(actions, task.Action{Name: name, Advisory: true, Deadline: task.Duration(time.Minute),
				Query: &task.Query{SQL: sql}})
		}
	}
	ask("still", "SELECT count(*) AS running FROM pg_stat_activity WHERE datname = current_database()"+
		" AND pid <> pg_backend_pid() AND usesysid IS NOT NULL"+p.session())
	ask("lock", p.Truth.Lock)
	ask("upgrade-log", p.Truth.Upgrades)
	if p.Truth.Version != "" {
		actions = append(actions, task.Action{Name: "version", Advisory: true, Deadline: task.Duration(time.Minute),
			Version: &task.Version{
				Database:  &task.Database{Name: "reader"},
				SQL:       p.Truth.Version,
				Normalise: p.Versions.Normalise,
			}})
	}
	return p.build(AgentImage, actions, q)
}

// session narrows to the upgrade's own sessions where the product names them.
func (p Profile) session() string {
	if p.Resume.Session == "" {
		return ""
	}
	return " AND application_name = '" + strings.ReplaceAll(p.Resume.Session, "'", "''") + "'"
}

// StaleLockTask removes a lock that nobody holds, and the caches that believe
// in it. Only after AftermathTask has seen no session, and where the approved
// policy lets a killed upgrade go on.
func (p Profile) StaleLockTask(q Params, dataRoot string) (task.Task, Image, error) {
	if !p.Resume.Resumes || len(p.Resume.StaleLock) == 0 {
		return task.Task{}, "", fmt.Errorf("%s stale lock: %w: %s", p.Title, ErrNone, p.Resume.Note)
	}
	actions := []task.Action{{Name: "unlock", Deadline: task.Duration(time.Minute), Execute: &task.Execute{
		Database: task.Database{Name: "owner"}, Statements: p.Resume.StaleLock}}}
	if len(p.Resume.ClearPaths) > 0 {
		actions = append(actions, task.Action{Name: "clear", Clear: &task.Clear{Root: dataRoot, Paths: p.Resume.ClearPaths}})
	}
	return p.build(AgentImage, actions, q)
}

// ClearCopyTask empties what a copy must not inherit: caches, sessions, locks.
func (p Profile) ClearCopyTask(q Params, dataRoot string) (task.Task, Image, error) {
	if len(p.Paths.Skip) == 0 {
		return task.Task{}, "", fmt.Errorf("%s paths to empty: %w", p.Title, ErrNone)
	}
	return p.build(AgentImage, []task.Action{{Name: "clear", Deadline: task.Duration(30 * time.Minute),
		Clear: &task.Clear{Root: dataRoot, Paths: p.Paths.Skip}}}, q)
}

// LinkBaseTask puts a tree of links to the append-only paths of a base below
// dataRoot. base is where this pod has it, target where the LMS will.
func (p Profile) LinkBaseTask(q Params, base, target, dataRoot string) (task.Task, Image, error) {
	var actions []task.Action
	for _, a := range p.Paths.AppendOnly {
		actions = append(actions, task.Action{Name: "link-" + actionPart(a.Path), Deadline: task.Duration(time.Hour),
			LinkTree: &task.LinkTree{Base: filepath.Join(base, a.Path), Target: filepath.Join(target, a.Path),
				To: filepath.Join(dataRoot, a.Path)}})
	}
	if len(actions) == 0 {
		return task.Task{}, "", fmt.Errorf("%s append-only paths: %w", p.Title, ErrNone)
	}
	return p.build(AgentImage, actions, q)
}
