// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package account

import "testing"

func TestPasswordFits(t *testing.T) {
	hash, err := HashPassword("pw-smoke", "smoke")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		password, hash string
		want           bool
	}{
		"the right one":             {"pw-smoke", hash, true},
		"a wrong one":               {"pw-smoky", hash, false},
		"an account that is closed": {"nologin", "nologin", false},
		"a hash of nonsense":        {"x", "pbkdf2$x$y$z", false},
	} {
		if got := PasswordFits(test.password, test.hash); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	again, err := HashPassword("pw-smoke", "smoke")
	if err != nil || again != hash {
		t.Error("the same salt gives another hash")
	}
}

func TestSecretIsMadeOnceAndShared(t *testing.T) {
	root := t.TempDir()
	first, err := LoadSecret(root)
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadSecret(root)
	if err != nil || string(first) != string(second) || len(first) < 20 {
		t.Errorf("%q, then %q (%v)", first, second, err)
	}
	if first.LoginToken("a") == first.LoginToken("b") {
		t.Error("the token does not depend on the cookie")
	}
}
