// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

var (
	// secretName is what variables are called that hold a secret, also where a whole
	// Secret is given as variables and nobody has named them.
	secretName = regexp.MustCompile(`(?i)(passw(or)?d|secret|token|api_?key)$`)
	// openName is what variables are called that only say where and as whom: Secrets of
	// databases hold these as well. Without them no line of evidence could be read.
	openName = regexp.MustCompile(
		`(?i)(user(name)?|role|host(name)?|server|port|name|db|database|schema|prefix|url|uri|dsn)$`)
	// plain are numbers and switches: they are in every figure.
	plain = regexp.MustCompile(`(?i)^([0-9.,]*|true|false|yes|no|on|off|none)$`)
)

// keepSecret makes known what programs of the LMS could print of their environment.
func keepSecret(book *evidence.Book) {
	named := strings.Split(os.Getenv(task.EnvSecrets), ",")
	_ = os.Unsetenv(task.EnvSecrets)
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if at, err := url.Parse(value); err == nil && at.User != nil {
			value, _ = at.User.Password()
			book.Add(value)
			continue
		}
		secret := secretName.MatchString(name) || slices.Contains(named, name) && !openName.MatchString(name)
		if secret && !plain.MatchString(value) {
			book.Add(value)
		}
	}
}
