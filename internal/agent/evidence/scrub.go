// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"sort"
	"strings"
	"sync"
)

// mask stands where a secret was.
const mask = "(secret)"

// shortest is the length from which a secret is scrubbed: shorter ones would
// shred all output and protect nothing.
const shortest = 4

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
	for _, form := range append(strings.Split(secret, "\n"),
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
