// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package message

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text  string
		bound int
		want  string
	}{
		{"", 10, ""},
		{"as it is", 8, "as it is"},
		{"longer than that", 9, "longer…"},
		{"äöü", 5, "ä…"}, // not in the middle of a rune
		{"äöü", 6, "äöü"},
	} {
		if got := Clip(c.text, c.bound); got != c.want {
			t.Errorf("%q within %d: %q, want %q", c.text, c.bound, got, c.want)
		}
	}
	if got := Clip(strings.Repeat("ü", 40000), Condition); len(got) > Condition || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
	}
}

func TestClipOfAnyText(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		n    int
		want string
	}{
		"short":          {"abc", 10, "abc"},
		"cut at a rune":  {"ääääää", 9, "äää…"},
		"not valid text": {"a\xffb", 10, "a\uFFFDb…"},
	} {
		if got := Clip(c.in, c.n); name != "not valid text" && got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		} else if len(got) > c.n {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
}
