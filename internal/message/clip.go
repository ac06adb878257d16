// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package message keeps what people read within the bounds of the API. What a
// status may not hold is refused whole, and the run with it.
package message

import "strings"

// Bounds in bytes.
const (
	// Step of a ledger: the API takes 1024.
	Step = 1000
	// Event takes as much.
	Event = 1000
	// Condition: the API takes 32768, and nobody reads more than this.
	Condition = 4000
	// Line is what a column of kubectl or the name of a writer may have.
	Line = 250
)

const cut = "…"

// Clip cuts a text to a number of bytes, at a rune's edge, and shows that it did. What
// is no UTF-8, which the API refuses as well, is replaced.
func Clip(s string, bound int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= bound {
		return s
	}
	return strings.ToValidUTF8(s[:max(bound-len(cut), 0)], "") + cut
}
