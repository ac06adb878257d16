// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Recover starts the server on a copy of a data directory, lets then do its
// work against it, and stops it.
func Recover(ctx context.Context, spec task.Recover, scratch string, p *evidence.Page,
	then func(ctx context.Context, fill func(*task.Database)) error) error {
	user := spec.User
	if user == "" {
		user = "postgres"
	}
	s, err := start(ctx, spec.BinDir, spec.DataDir, user, scratch, p)
	if err != nil {
		return err
	}
	defer s.stop()
	v, err := Value(ctx, task.Database{Host: s.socket, Name: "template1", User: user, TLS: "disable"},
		"SELECT current_setting('server_version')", &p.Scrubber)
	if err != nil {
		return err
	}
	p.Fact("serverVersion", v)
	return then(ctx, func(d *task.Database) {
		name := d.Name
		*d = task.Database{Host: s.socket, Port: 5432, Name: name, User: user, TLS: "disable", Schema: d.Schema}
	})
}
