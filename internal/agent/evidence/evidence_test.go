// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/internal/task"
)

func TestScrubberKnowsTheUsualForms(t *testing.T) {
	var s Scrubber
	const secret = "pa'ss wo&rd"
	s.Add(secret + "\n")
	s.Add("abc") // too short: all output would be shredded
	for name, form := range map[string]string{"plain": secret, "in an address": "postgres://u:" + url.PathEscape(secret) + "@h",
		"in a form": url.QueryEscape(secret), "base64": base64.StdEncoding.EncodeToString([]byte(secret)), "in SQL": "'pa''ss wo&rd'"} {
		if got := s.Clean("x " + form + " y"); !strings.Contains(got, mask) || strings.Contains(got, "rd") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := s.Clean("abcdef"); got != "abcdef" {
		t.Errorf("a short secret shredded %s", got)
	}
}

func TestTheLongerSecretWins(t *testing.T) {
	var s Scrubber
	s.Add("secret")
	s.Add("secret-and-more")
	if got := s.Clean("secret-and-more"); got != mask {
		t.Errorf("left %s", got)
	}
}

func TestDocumentsAreBounded(t *testing.T) {
	b, err := Open(t.TempDir(), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.Page("a").NewDocument("big")
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for range 20 {
		if n, err := d.Write(chunk); err != nil || n != len(chunk) {
			t.Fatal(n, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	r := b.Result()
	if r.Documents[0].Size != task.MaxDocument || r.Facts["a.truncated"] != "true" {
		t.Errorf("%+v", r)
	}
}

func FuzzScrubber(f *testing.F) {
	f.Add("hunter22", "the password is ", "!")
	f.Fuzz(func(t *testing.T, secret, before, after string) {
		secret = strings.TrimSpace(secret)
		if len(secret) < shortest || strings.Contains(mask, secret) {
			return
		}
		var s Scrubber
		s.Add(secret)
		if got := s.Clean(secret); strings.Contains(got, secret) {
			t.Errorf("%q is left in %q", secret, got)
		}
		_ = s.Clean(before + secret + after)
	})
}
