// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
)

// mask stands where a secret was.
const mask = "(secret)"

// shortest is the length from which a secret is scrubbed: shorter ones would
// shred all output and protect nothing.
const shortest = 4

// plain are short numbers and switches: they are in every figure.
var plain = regexp.MustCompile(`(?i)^([0-9.,]{0,7}|true|false|yes|no|on|off|none|null|nil|enabled|disabled)$`)

// Plain says whether a value is in so much of the output that nothing could be read without.
func Plain(value string) bool { return plain.MatchString(strings.TrimSpace(value)) }

// Scrubber takes known secrets out of text, also in the encodings in which
// tools like to print them.
type Scrubber struct {
	mu       sync.RWMutex
	secrets  map[string]bool
	replacer *strings.Replacer
}

// Add makes a value known.
func (s *Scrubber) Add(secret string) {
	secret = strings.TrimSpace(secret)
	if len(secret) < shortest {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets == nil {
		s.secrets = map[string]bool{}
	}
	quoted, _ := json.Marshal(secret)
	lines := slices.DeleteFunc(strings.Split(secret, "\n"), Plain)
	for _, form := range append(lines,
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(string(quoted), `"`),
		base64.StdEncoding.EncodeToString([]byte(secret)), strings.ReplaceAll(secret, "'", "''")) {
		if form = strings.TrimSpace(form); len(form) >= shortest {
			s.secrets[form] = true
		}
	}
	forms := make([]string, 0, len(s.secrets))
	for f := range s.secrets {
		forms = append(forms, f)
	}
	// The longest first: a secret may be the beginning of another.
	sort.Slice(forms, func(i, j int) bool {
		return len(forms[i]) > len(forms[j]) || (len(forms[i]) == len(forms[j]) && forms[i] < forms[j])
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, f := range forms {
		pairs = append(pairs, f, mask)
	}
	s.replacer = strings.NewReplacer(pairs...)
}

// Clean gives the text without secrets.
func (s *Scrubber) Clean(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
}
