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
	t.Setenv(task.EnvSecrets, "PAYMENT,NOT_THERE")
	var out strings.Builder
	book, err := evidence.Open(t.TempDir(), &out)
	if err != nil {
		t.Fatal(err)
	}
	keepSecret(book)
	said := book.Clean("connect as campus:hunter-2, pay by 4711-pay, serve /public")
	if strings.Contains(said, "hunter-2") || strings.Contains(said, "4711-pay") || !strings.Contains(said, "/public") {
		t.Error(said)
	}
}
