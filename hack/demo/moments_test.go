// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
	"time"
)

func TestMoments(t *testing.T) {
	victims := []string{"operator", "kubelet", "etcd"}
	draw := func(seed uint64, round int) []moment {
		return moments(seed, round, 30*time.Second, 10*time.Minute, victims)
	}
	first := draw(7, 1)
	if !slices.Equal(first, draw(7, 1)) {
		t.Error("the same seed and round cannot be told again")
	}
	if slices.Equal(first, draw(7, 2)) || slices.Equal(first, draw(8, 1)) {
		t.Error("another round or another seed changes nothing")
	}
	shares, before := map[string]int{}, time.Duration(0)
	for _, m := range first {
		if gap := m.After - before; gap < 20*time.Second-time.Millisecond || gap > 40*time.Second+time.Millisecond {
			t.Errorf("%s lie before the kill of %s", gap, m.Victim)
		}
		before = m.After
		shares[m.Victim]++
	}
	for _, v := range victims {
		if n := shares[v]; n < len(first)/3 || n > len(first)/3+1 {
			t.Errorf("%s is killed %d times of %d", v, n, len(first))
		}
	}
}
