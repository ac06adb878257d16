// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gradus-lms/gradus/internal/message"
)

var ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// StripANSI takes the colours out, which some tools print into pipes too.
func StripANSI(s string) string {
	if !strings.Contains(s, "\x1b") {
		return s
	}
	return ansi.ReplaceAllString(s, "")
}

// Catalogue is the compiled form of known failures.
type Catalogue []struct {
	Known
	re *regexp.Regexp
}

// NewCatalogue compiles the expressions.
func NewCatalogue(known []Known) (Catalogue, error) {
	c := make(Catalogue, len(known))
	for i, k := range known {
		re, err := regexp.Compile(k.Match)
		if err != nil {
			return nil, fmt.Errorf("compile known failure %s: %w", k.Reason, err)
		}
		c[i].Known, c[i].re = k, re
	}
	return c, nil
}

// Explain looks a line up. The order of the catalogue is its precedence, so
// the caller compares the index with that of the best line so far.
func (c Catalogue) Explain(line string) (index int, reason, says string, ok bool) {
	line = StripANSI(line)
	for i, k := range c {
		m := k.re.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		msg := k.Message
		for g := 1; g < len(m); g++ {
			msg = strings.ReplaceAll(msg, "{"+strconv.Itoa(g)+"}", message.Clip(strings.TrimSpace(m[g]), 120))
		}
		return i, k.Reason, msg, true
	}
	return 0, "", "", false
}
