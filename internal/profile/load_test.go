// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import "testing"

func TestEveryBuiltInProfileLoads(t *testing.T) {
	for _, n := range Names() {
		p, err := Load(n)
		if err != nil {
			t.Errorf("%s: %v", n, err)
		}
		if p.Name != n {
			t.Errorf("file %s.yaml has the profile %s", n, p.Name)
		}
	}
}
