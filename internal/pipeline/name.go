// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// generated is the tail of a name that this package made. Grandchildren leave
// it out, for their own tail tells them apart.
var generated = regexp.MustCompile(`-\d+-[0-9a-f]{8}$`)

// longest name of a Job whose pods carry it as a label.
const longest = 63

// Name gives the deterministic name of a child; see At.Name.
func Name(owner Owner, what, key string, attempt int32) string {
	parts := []string{generated.ReplaceAllString(owner.GetName(), ""), what}
	if key != "" {
		parts = append(parts, strings.ToLower(key))
	}
	tail := fmt.Sprintf("-%d-%s", attempt, short(string(owner.GetUID())))
	head := strings.ReplaceAll(strings.Join(parts, "-"), ".", "-")
	if len(head)+len(tail) > longest {
		sum := sha256.Sum256([]byte(head))
		head = strings.TrimRight(head[:longest-len(tail)-7], "-") + "-" + hex.EncodeToString(sum[:])[:6]
	}
	return head + tail
}

// Key keeps what a ledger or a journal calls its entries within the API's bound; what
// is too long is told apart by its digest.
func Key(key string) string {
	if len(key) <= longest {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:longest-7] + "-" + hex.EncodeToString(sum[:])[:6]
}

// short gives the first 8 hexadecimal digits of a UID.
func short(uid string) string {
	digits := strings.ReplaceAll(uid, "-", "")
	return digits[:min(8, len(digits))]
}
