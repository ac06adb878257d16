// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"
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
	t.Setenv("DATABASE_URL", "postgres://campus:in-the-url@db:5432/campus\n") // as files of Secrets end
	// What a Secret of a database holds besides.
	t.Setenv("CAMPUS_DB_USER", "campus")
	t.Setenv("CAMPUS_DB_PORT", "5432")
	t.Setenv("SHARD", "5432\n")
	t.Setenv("LINES", "true\n15432\n")
	t.Setenv(task.EnvSecrets, "PAYMENT,NOT_THERE,CAMPUS_DB_USER,CAMPUS_DB_PORT,SHARD,LINES")
	var out strings.Builder
	book, err := evidence.Open(t.TempDir(), &out)
	if err != nil {
		t.Fatal(err)
	}
	keepSecret(book)
	const mask = "(secret)"
	got := book.Clean("connect as campus:hunter-2, or in-the-url, pay by 4711-pay, serve /public, 15432 files, true")
	if want := "connect as campus:" + mask + ", or " + mask + ", pay by " + mask + ", serve /public, 15432 files, true"; got != want {
		t.Error(got)
	}
}

// What a variable gives away, by its name, its value, and whether it is from a Secret.
func TestSecretsInsideVariables(t *testing.T) {
	for _, c := range []struct {
		name, value string
		ours        bool
		want        []string
	}{
		{"DATABASE_URL", "postgres://campus:p#ss@db/x", true, []string{"p#ss"}},
		{"DATABASE_URL", "postgres://campus:p/s@s@db/x", true, []string{"p/s@s"}},
		{"DATABASE_URL", "postgres://campus:p%2fss@db/x", false, []string{"p/ss", "p%2fss"}},
		{"DATABASE_URL", "postgres://campus:100%@db/x", false, []string{"100%"}},
		{"DATABASE_URL", "postgres://campus@db/campus", true, nil},
		{"CACHE", "redis://:hunter-2@cache:6379/0", false, []string{"hunter-2"}},
		{"DB_DSN", "host=db user=u password=hunter-2", true, []string{"hunter-2"}},
		{"DB_DSN", "host=db password='hunter 2' user=u", true, []string{"hunter 2"}},
		{"DB_DSN", "u:hunter-2@tcp(db:3306)/x", true, []string{"hunter-2"}},
		{"JDBC_URL", "jdbc:postgresql://db/x?user=u&password=hunter-2", false, []string{"hunter-2"}},
		{"HOOK_URL", "https://hooks.example/services/T0/B0/abcdefghijklmnopqrstuvwxyz", true,
			[]string{"https://hooks.example/services/T0/B0/abcdefghijklmnopqrstuvwxyz"}},
		{"SENTRY_DSN", "https://0123456789abcdef@sentry.example/1", true, []string{"0123456789abcdef"}},
		{"REPO", "https://moodle@git.example/x", false, nil},
		{"DB_URL", "mysql://root:@db/x", false, nil},
		{"JDBC_URL", "jdbc:mysql://u:hunter-2@h/x", true, []string{"hunter-2"}},
		{"CACHE_URI", "tcp://redis:6379?auth=hunter-2", true, []string{"hunter-2"}},
		{"BLOBS", "Name=x;AccountKey=abc=;Suffix=y", false, []string{"abc="}},
		{"HOOK_URL", "https://h.example/x?key=public&access=s3cr3t", true, []string{"https://h.example/x?key=public&access=s3cr3t"}},
		{"MAILER_URL", "mailto://u:hunter-2@smtp:25", true, []string{"hunter-2"}},
		{"MOODLE_DBPASS", "hunter-2", false, []string{"hunter-2"}},
		{"MYSQL_PWD", "hunter-2", false, []string{"hunter-2"}},
		{"AWS_SECRET_ACCESS_KEY", "hunter-2", false, []string{"hunter-2"}},
		{"PWD", "/srv/moodle", false, nil},
		{"DB_PASS", "hunter-2", false, []string{"hunter-2"}},
		{"SUPPORT_URL", "mailto:admin@campus.example", true, []string{"mailto:admin@campus.example"}},
		{"SUPPORT_URL", "mailto:admin@campus.example", false, nil},
		{"CACHE_URL", "redis", true, nil},
		{"DB_URI", "db:5432", true, nil},
		{"BASE_URL", "/moodle", true, nil},
		{"HOOK_SECRET", "https://a:pw-1@h/x?key=s3cr3t", true, []string{"s3cr3t", "pw-1", "https://a:pw-1@h/x?key=s3cr3t"}},
		{"WWW_URL", "https://campus.example/moodle", true, nil},
		{"DB_HOST", "db.campus", true, nil},
		{"PAYMENT", "4711-pay", true, []string{"4711-pay"}},
		{"GREETING", "Write to: us@campus.example", false, nil},
		{"JAVA_OPTS", "-Dkey=campus", false, nil},
	} {
		for _, want := range c.want {
			if got := secretsIn(c.name, c.value, c.ours); !slices.Contains(got, want) {
				t.Errorf("%s=%s gives %q, without %q", c.name, c.value, got, want)
			}
		}
		if got := secretsIn(c.name, c.value, c.ours); c.want == nil && len(got) > 0 {
			t.Errorf("%s=%s gives %q", c.name, c.value, got)
		}
	}
}
