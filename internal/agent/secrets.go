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
	secretName = regexp.MustCompile(`(?i)(pass(w(or)?d|phrase)?|_pwd|_salt|secret|token|` +
		`(api|secret|access|private|encryption|app|auth|signing)_?key)$`)
	// openName is what variables are called that only say where and as whom: Secrets of
	// databases hold these as well. Without them no line of evidence could be read.
	openName = regexp.MustCompile(`(?i)(user(name)?|role|host(name)?|server|port|name|db|database|schema|prefix)$`)
	// linkName is what variables are called that say where, and often with which password.
	linkName = regexp.MustCompile(`(?i)(url|uri|dsn)$`)
	// keyed are passwords in what is a list of settings, such as a connection string.
	keyed = regexp.MustCompile(`(?i)(?:^|[\s;&?])` +
		`(?:pass|passw(?:or)?d|pwd|auth|secret|token|sig|(?:(?:api|account|access|secret)_?)?key)=` +
		`("[^"]*"|'[^']*'|[^\s;&]+)`)
	// between user and host stands the password, whatever is in it.
	between = regexp.MustCompile(`^[a-zA-Z][\w+.:-]*://[^:/@\s]*:(.+)@|^[^:/@\s]+:([^/].*)@`)
	// nowhere near a password: a name, or a part of an address.
	place = regexp.MustCompile(`^[\w.-]*(:\d+)?(/[\w./-]{0,32})?$`)
)

const (
	// longestPath is how long the path of an address is that holds no key.
	longestPath = 32
	// shortestKey is how long a key is that stands in an address instead of a user's name.
	shortestKey = 16
)

// keepSecret makes known what programs of the LMS could print of their environment.
func keepSecret(book *evidence.Book) {
	named := strings.Split(os.Getenv(task.EnvSecrets), ",")
	_ = os.Unsetenv(task.EnvSecrets)
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		for _, secret := range secretsIn(name, strings.TrimSpace(value), slices.Contains(named, name)) {
			if !evidence.Plain(secret) {
				book.Add(secret)
			}
		}
	}
}

// secretsIn gives what of a variable nobody may read. Ours says that it is from a Secret.
func secretsIn(name, value string, ours bool) []string {
	link := linkName.MatchString(name)
	out := credentials(value, ours || link)
	if secretName.MatchString(name) || ours && !openName.MatchString(name) && (!link || !bare(value)) {
		out = append(out, value)
	}
	return out
}

// credentials gives the passwords inside a value. Loosely looks for them also in what is no
// address, or not quite: a password may hold what breaks one.
func credentials(value string, loosely bool) []string {
	var out []string
	for _, found := range keyed.FindAllStringSubmatch(value, -1) {
		out = append(out, spellings(strings.Trim(found[1], `"'`))...)
	}
	at, err := url.Parse(value)
	switch {
	case err == nil && at.Opaque != "" && slices.Contains([]string{"mailto", "sip", "tel"}, at.Scheme):
	case err == nil && at.User != nil:
		password, has := at.User.Password()
		if user := at.User.Username(); !has && len(user) >= shortestKey {
			password = user
		}
		if password != "" {
			out = append(out, password)
		}
		out = append(out, raw(value)...)
	case loosely, strings.Contains(value, "://"):
		out = append(out, raw(value)...)
	}
	return out
}

// raw gives what stands where a password would.
func raw(value string) []string {
	found := between.FindStringSubmatch(value)
	if found == nil {
		return nil
	}
	return spellings(found[1] + found[2])
}

// spellings gives a password as it stands and, if that is another, unescaped.
func spellings(password string) []string {
	if plain, err := url.PathUnescape(password); err == nil && plain != password {
		return []string{password, plain}
	}
	return []string{password}
}

// bare says whether an address holds nothing else: a user without a password is a name.
func bare(value string) bool {
	at, err := url.Parse(value)
	return place.MatchString(value) || err == nil && at.Host != "" && at.RawQuery == "" && len(at.Path) <= longestPath
}
