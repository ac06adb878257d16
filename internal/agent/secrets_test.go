// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// An LMS that prints its environment, as a stack trace does, tells no secret of it.
func TestSecretsOfTheEnvironmentAreKeptOutOfTheEvidence(t *testing.T) {
	t.Setenv("PAYMENT", "4711-pay")
	t.Setenv("CAMPUS_DB_PASSWORD", "hunter-2")
	t.Setenv("CAMPUS_ROOT", "/public")
	t.Setenv("DATABASE_URL", "postgres://campus:in-the-url@db:5432/campus")
	// What a Secret of a database holds besides.
	t.Setenv("CAMPUS_DB_USER", "campus")
	t.Setenv("CAMPUS_DB_PORT", "5432")
	t.Setenv("SHARD", "5432")
	t.Setenv(task.EnvSecrets, "PAYMENT,NOT_THERE,CAMPUS_DB_USER,CAMPUS_DB_PORT,SHARD")
	var out strings.Builder
	book, err := evidence.Open(t.TempDir(), &out)
	if err != nil {
		t.Fatal(err)
	}
	keepSecret(book)
	const mask = "(secret)"
	got := book.Clean("connect as campus:hunter-2, or in-the-url, pay by 4711-pay, serve /public, 15432 files")
	if want := "connect as campus:" + mask + ", or " + mask + ", pay by " + mask + ", serve /public, 15432 files"; got != want {
		t.Error(got)
	}
}
