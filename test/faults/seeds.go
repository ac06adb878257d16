// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// seed is a bug that the harness puts into the operator to see that it is caught.
type seed struct {
	plant func(*world.World, *gate.Gate)
}

var seeds = map[string]seed{}
