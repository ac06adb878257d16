// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"os"
	"strings"
	"testing"
)

const hello = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d" // sha1 of "hello"

func TestBlobs(t *testing.T) {
	store := Store{Root: t.TempDir()}
	for range 2 {
		hash, size, err := store.Put(strings.NewReader("hello"))
		if err != nil || hash != hello || size != 5 {
			t.Fatalf("%s %d %v", hash, size, err)
		}
	}
	count := 0
	if err := store.Blobs(func(string, int64) error { count++; return nil }); err != nil || count != 1 {
		t.Errorf("%d blobs (%v)", count, err)
	}
	if intact, err := store.Intact(hello); err != nil || !intact {
		t.Errorf("intact: %v %v", intact, err)
	}
	if err := os.WriteFile(store.Path(hello), []byte("jello"), 0o600); err != nil {
		t.Fatal(err)
	}
	if intact, err := store.Intact(hello); err != nil || intact {
		t.Errorf("a changed blob is intact: %v", err)
	}
}

func TestTrash(t *testing.T) {
	store := Store{Root: t.TempDir()}
	if err := store.Blobs(nil); err != nil {
		t.Errorf("an empty store: %v", err)
	}
	if _, _, err := store.Put(strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a blob that is gone already is no error
		if err := store.Trash(hello); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Open(hello); !os.IsNotExist(err) {
		t.Errorf("a trashed blob opens: %v", err)
	}
	if err := store.EmptyTrash(); err != nil {
		t.Fatal(err)
	}
}
