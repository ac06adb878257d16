// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"strings"
	"testing"
)

func TestKeysHaveABound(t *testing.T) {
	a, b := Key(strings.Repeat("a", 80)+"1"), Key(strings.Repeat("a", 80)+"2")
	if len(a) != 63 || len(b) != 63 || a == b {
		t.Errorf("%s and %s", a, b)
	}
	if got := Key(strings.Repeat("a", 63)); got != strings.Repeat("a", 63) {
		t.Errorf("what fits is %s", got)
	}
}
