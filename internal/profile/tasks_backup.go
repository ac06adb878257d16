// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"path/filepath"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

// Throttle bounds what reading production's files may take.
type Throttle struct {
	Workers        int
	BytesPerSecond int64
}

// DumpTask takes a logical copy into a directory of the backup volume.
func (p Profile) DumpTask(q Params, dir, name string) (task.Task, Image, error) {
	return p.build(DatabaseImage, []task.Action{{Name: "dump", Deadline: task.Duration(time.Hour),
		Dump: &task.Dump{Dir: dir, Name: name, Queries: p.queries(q)}}}, q)
}

// VerifyDumpTask proves a dump in a scratch server.
func (p Profile) VerifyDumpTask(q Params, dir, name, scratch string) (task.Task, Image, error) {
	return p.build(DatabaseImage, []task.Action{{Name: "verify-dump", Deadline: task.Duration(2 * time.Hour),
		VerifyDump: &task.VerifyDump{Dir: dir, Name: name, ScratchDir: scratch, Queries: p.queries(q)}}}, q)
}

// RestoreTask puts a dump into a fresh database beside the live one. server is
// the live server with the database to connect to first.
func (p Profile) RestoreTask(q Params, r task.Restore) (task.Task, Image, error) {
	r.Queries = p.queries(q)
	return p.build(DatabaseImage, []task.Action{{Name: "restore", Deadline: task.Duration(2 * time.Hour), Restore: &r}}, q)
}

// RecoverTask proves a snapshot of a data directory: it comes up, and has the figures.
func (p Profile) RecoverTask(q Params, dataDir, database string, expect map[string]string) (task.Task, Image, error) {
	count := task.Action{Name: "count", Deadline: task.Duration(30 * time.Minute), Count: &task.Count{
		Database: task.Database{Name: database}, Queries: p.queries(q), Tables: true, Sequences: true, Expect: expect}}
	return p.build(DatabaseImage, []task.Action{{Name: "recover", Deadline: task.Duration(time.Hour),
		Recover: &task.Recover{DataDir: dataDir, Actions: []task.Action{count}}}}, q)
}

// HashFilesTask proves the append-only trees below root and describes the
// small ones; with blobs it also looks up every file that the database knows.
func (p Profile) HashFilesTask(
	q Params,
	root string,
	blobs bool,
	missing int64,
	t Throttle,
) (task.Task, Image, error) {
	var actions []task.Action
	for _, a := range p.Paths.AppendOnly {
		h := &task.HashTree{Root: filepath.Join(root, a.Path), Kind: task.ContentAddressed, Algorithm: a.Algorithm,
			Workers: t.Workers, BytesPerSecond: t.BytesPerSecond}
		if blobs && p.Truth.Blobs != "" {
			h.Referenced = &task.Referenced{SQL: p.sql(p.Truth.Blobs, q), MissingBefore: missing}
		}
		actions = append(
			actions,
			task.Action{Name: "hash-" + actionPart(a.Path), Deadline: task.Duration(2 * time.Hour), HashTree: h},
		)
	}
	skip := append([]string{}, p.Paths.Skip...)
	for _, a := range p.Paths.AppendOnly {
		skip = append(skip, a.Path)
	}
	actions = append(
		actions,
		task.Action{Name: "hash-rest", Deadline: task.Duration(30 * time.Minute), HashTree: &task.HashTree{
			Root: root, Kind: task.Manifested, Skip: skip, Workers: t.Workers, BytesPerSecond: t.BytesPerSecond}},
	)
	return p.build(AgentImage, actions, q)
}

// CopyFilesTask copies the files of a site: append-only trees by what is
// missing, the rest by what changed; one shard of several.
func (p Profile) CopyFilesTask(q Params, from, to string, shard, shards int, t Throttle) (task.Task, Image, error) {
	var actions []task.Action
	skip := append([]string{}, p.Paths.Skip...)
	for _, a := range p.Paths.AppendOnly {
		skip = append(skip, a.Path)
		actions = append(actions, task.Action{Name: "copy-" + actionPart(a.Path), Deadline: task.Duration(4 * time.Hour),
			CopyTree: &task.CopyTree{
				From:           filepath.Join(from, a.Path),
				To:             filepath.Join(to, a.Path),
				Kind:           task.ContentAddressed,
				Algorithm:      a.Algorithm,
				Workers:        t.Workers,
				BytesPerSecond: t.BytesPerSecond,
				Shard:          shard,
				Shards:         shards,
			}})
	}
	actions = append(actions, task.Action{Name: "copy-rest", Deadline: task.Duration(time.Hour), CopyTree: &task.CopyTree{
		From: from, To: to, Kind: task.Manifested, Skip: skip, Update: true, Workers: t.Workers,
		BytesPerSecond: t.BytesPerSecond, Shard: shard, Shards: shards}})
	return p.build(AgentImage, actions, q)
}

// actionPart makes a path a part of an action's name.
func actionPart(path string) string {
	b := []byte(path)
	for i, c := range b {
		if c == '/' {
			b[i] = '-'
		}
	}
	return string(b)
}
