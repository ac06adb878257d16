// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

// ErrNone says that the product has no such verb; its message has the reason, and the step is to be skipped with it.
var ErrNone = errors.New("the product has no such verb")

// VerbTask is a verb as the profile has it, with the image that it needs.
func (p Profile) VerbTask(name VerbName, q Params) (task.Task, Image, error) {
	v, ok := p.Verbs[name]
	if !ok || len(v.Actions) == 0 {
		return task.Task{}, "", fmt.Errorf("%s %s: %w: %s", p.Title, name, ErrNone, v.None)
	}
	return p.build(v.Image, v.Actions, q)
}

// UndoTask puts back what a verb changed; an empty task when there is nothing to put back.
func (p Profile) UndoTask(name VerbName, q Params) (task.Task, Image, error) {
	v := p.Verbs[name]
	if len(v.Undo) == 0 {
		return task.Task{}, "", fmt.Errorf("%s undo of %s: %w", p.Title, name, ErrNone)
	}
	return p.build(v.Image, v.Undo, q)
}

func (p Profile) build(image Image, actions []task.Action, q Params) (task.Task, Image, error) {
	q, err := p.complete(q)
	if err != nil {
		return task.Task{}, "", err
	}
	code := q.Code
	if code == "" {
		code = q.Target
	}
	r, _ := p.Release(code)
	filled, err := fillAt(actions, q, r.WebRoot)
	if err != nil {
		return task.Task{}, "", err
	}
	t := task.Task{Actions: filled, Known: p.Failures}
	if err := t.Validate(); err != nil {
		return task.Task{}, "", fmt.Errorf("build task of profile %s: %w", p.Name, err)
	}
	return t, image, nil
}

// UpgradeTask is a hop with all of its evidence: the command's own word counts
// for nothing without nothing pending, no lock and the target's version.
func (p Profile) UpgradeTask(q Params) (task.Task, Image, error) {
	if len(p.Verbs[UpgradeVerb].Actions) == 0 {
		return task.Task{}, "", fmt.Errorf("%s upgrade: %w: %s", p.Title, ErrNone, p.Verbs[UpgradeVerb].None)
	}
	actions := append([]task.Action{}, p.Verbs[UpgradeVerb].Actions...)
	if v := p.Verbs[PendingVerb]; v.None == "" {
		actions = append(actions, v.Actions...)
	}
	if p.Truth.Lock != "" {
		actions = append(actions, task.Action{Name: "lock", Deadline: task.Duration(time.Minute), Query: &task.Query{
			SQL: p.Truth.Lock, Expect: map[string]string{"until": ""}}})
	}
	if p.Truth.Version != "" {
		actions = append(actions, task.Action{Name: "version", Deadline: task.Duration(time.Minute), Version: &task.Version{
			Database: &task.Database{Name: "reader"}, SQL: p.Truth.Version, Normalise: p.Versions.Normalise, Want: q.Target}})
	}
	if p.Truth.Upgrades != "" {
		actions = append(actions, task.Action{Name: "upgrade-log", Always: true, Advisory: true,
			Deadline: task.Duration(time.Minute), Query: &task.Query{SQL: p.Truth.Upgrades}})
	}
	t, image, err := p.build(TargetImage, actions, q)
	if err != nil {
		return t, image, err
	}
	for i := range p.Verbs[UpgradeVerb].Actions {
		if q.HopDeadline > 0 && t.Actions[i].Command != nil {
			t.Actions[i].Deadline = task.Duration(q.HopDeadline)
		}
	}
	return t, image, nil
}

// VersionTask reads the version from database and HTTP; want may be "".
func (p Profile) VersionTask(q Params, want string) (task.Task, Image, error) {
	v := &task.Version{Normalise: p.Versions.Normalise, Want: want}
	if p.Truth.Version != "" {
		v.Database, v.SQL = &task.Database{Name: "reader"}, p.Truth.Version
	}
	if p.Truth.HTTP != nil && q.BaseURL != "" {
		r := *p.Truth.HTTP
		v.HTTP, v.HTTPMatch = &r, p.Truth.HTTPMatch
	}
	return p.build(AgentImage, []task.Action{{Name: "version", Deadline: task.Duration(time.Minute), Version: v}}, q)
}

// CountTask gathers the figures of integrity; expect and orphans are those of
// before, or nil for the first time.
func (p Profile) CountTask(
	q Params,
	expect, orphans map[string]string,
	tables map[string]int64,
) (task.Task, Image, error) {
	c := &task.Count{Queries: p.queries(q), Tables: true, Sequences: true, Expect: expect, NotMore: orphans,
		ExpectTables: tables, IgnoreTables: p.mayChange(q)}
	return p.build(AgentImage, []task.Action{{Name: "count", Deadline: task.Duration(10 * time.Minute), Count: c}}, q)
}

// queries are all queries of integrity, with the prefix put in.
func (p Profile) queries(q Params) map[string]string {
	out := map[string]string{}
	for k, sql := range p.Integrity.Equal {
		out[k] = p.sql(sql, q)
	}
	for k, sql := range p.Integrity.Orphans {
		out[k] = p.sql(sql, q)
	}
	return out
}

func (p Profile) sql(sql string, q Params) string {
	prefix := q.Prefix
	if prefix == "" {
		prefix = p.TablePrefix
	}
	return strings.ReplaceAll(sql, "{{prefix}}", prefix)
}

func (p Profile) mayChange(q Params) []string {
	out := make([]string, len(p.Integrity.MayChange))
	for i, t := range p.Integrity.MayChange {
		out[i] = p.sql("{{prefix}}"+t, q)
	}
	return out
}

// SplitFigures sorts figures into those that must be equal and those that must not grow.
func (p Profile) SplitFigures(figures map[string]string) (equal, orphans map[string]string) {
	equal, orphans = map[string]string{}, map[string]string{}
	for k, v := range figures {
		if _, ok := p.Integrity.Orphans[k]; ok {
			orphans[k] = v
		} else if _, ok := p.Integrity.Equal[k]; ok {
			equal[k] = v
		}
	}
	return equal, orphans
}

// SmokeTask is the checks over HTTP.
func (p Profile) SmokeTask(q Params, wait time.Duration) (task.Task, Image, error) {
	if len(p.Smoke) == 0 {
		return task.Task{}, "", fmt.Errorf("%s smoke checks: %w", p.Title, ErrNone)
	}
	probe := &task.Probe{BaseURL: q.BaseURL, Host: q.Host, ForwardedProto: q.ForwardedProto, Requests: p.Smoke,
		WaitFor: task.Duration(wait), Variables: map[string]string{"url": q.URL}}
	if q.Credentials != "" {
		probe.VariableFiles = map[string]string{"user": filepath.Join(q.Credentials, "username"),
			"password": filepath.Join(q.Credentials, "password")}
	}
	return p.build(
		AgentImage,
		[]task.Action{{Name: "smoke", Deadline: task.Duration(5*time.Minute + wait), Probe: probe}},
		q,
	)
}

// SessionsTask waits until nobody is connected to the live database.
func (p Profile) SessionsTask(q Params, limit time.Duration) (task.Task, Image, error) {
	return p.build(
		AgentImage,
		[]task.Action{{Name: "sessions", Deadline: task.Duration(limit), Sessions: &task.Sessions{}}},
		q,
	)
}
