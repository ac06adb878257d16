// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package setting

import "testing"

func TestCache(t *testing.T) {
	cache := Cache{Dir: t.TempDir()}
	_, generation, found := cache.load()
	if found {
		t.Fatal("an empty cache has something")
	}
	cache.save(map[string]string{"a": "1"}, generation)
	if all, _, found := cache.load(); !found || all["a"] != "1" {
		t.Errorf("load: %v %v", all, found)
	}

	// Somebody reads, somebody else purges, and only then the first one writes.
	if err := cache.Purge(); err != nil {
		t.Fatal(err)
	}
	cache.save(map[string]string{"a": "old"}, generation)
	if all, _, found := cache.load(); found {
		t.Errorf("what was read before the purge came back: %v", all)
	}
}
