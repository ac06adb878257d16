// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

func page(t *testing.T) *evidence.Page {
	t.Helper()
	b, err := evidence.Open(t.TempDir(), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	return b.Page("x")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// blobs makes a tree as Moodle has it.
func blobs(t *testing.T, n int) string {
	t.Helper()
	root := t.TempDir()
	for i := range n {
		blob(t, root, fmt.Sprintf("content %d", i))
	}
	return root
}

func blob(t *testing.T, root, content string) string {
	t.Helper()
	sum := sha1.Sum([]byte(content))
	name := hex.EncodeToString(sum[:])
	dir := filepath.Join(root, name[:2], name[2:4])
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	return filepath.Join(dir, name)
}

func TestHashProvesContentAddressedTrees(t *testing.T) {
	root := blobs(t, 1500) // more than the window
	must(t, os.WriteFile(filepath.Join(root, "warning.txt"), nil, 0o644))
	spec := task.HashTree{Root: root, Kind: task.ContentAddressed, Workers: 3}
	p := page(t)
	must(t, Hash(context.Background(), spec, p))
	f := p.Result().Facts
	if f["x.files"] != "1501" || f["x.hashed"] != "1500" || f["x.digest"] == "" {
		t.Errorf("facts are %v", f)
	}
	spec.Expect = f["x.digest"]
	must(t, Hash(context.Background(), spec, page(t)))
	spec.SampleEvery = 10
	q := page(t)
	must(t, Hash(context.Background(), spec, q)) // a sample gives the same digest
	if n := q.Result().Facts["x.hashed"]; n == "1500" || n == "0" {
		t.Errorf("a sample hashed %s", n)
	}
	spec.SampleEvery = 0
	must(t, os.WriteFile(blob(t, root, "more"), []byte("less"), 0o644))
	err := Hash(context.Background(), spec, page(t))
	if task.ReasonOf(err, "") != task.HashMismatch {
		t.Errorf("a damaged blob: %v", err)
	}
}

func TestHashDescribesOtherTrees(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "cache/x"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "cache/x/a"), []byte("a"), 0o644))
	must(t, os.WriteFile(filepath.Join(root, "b\nc"), []byte("b"), 0o644))
	must(t, os.Symlink("b", filepath.Join(root, "link")))
	must(t, os.WriteFile(filepath.Join(root, ".gradus-left"), []byte("b"), 0o644))
	file := filepath.Join(t.TempDir(), "m")
	spec := task.HashTree{Root: root, Kind: task.Manifested, Skip: []string{"cache"}, ManifestFile: file}
	must(t, Hash(context.Background(), spec, page(t)))
	b, err := os.ReadFile(file)
	must(t, err)
	if got := string(b); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"b\nc"`) ||
		!strings.HasPrefix(strings.Split(got, "\n")[1], "b ") {
		t.Errorf("manifest is %q", got)
	}
}

func TestHashStopsAtItsDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := Hash(ctx, task.HashTree{Root: blobs(t, 200), Kind: task.ContentAddressed, BytesPerSecond: 100}, page(t))
	if task.ReasonOf(err, "") != task.DeadlineExceeded {
		t.Errorf("error is %v", err)
	}
}

func TestCopyIsIncrementalAndResumes(t *testing.T) {
	from, to := blobs(t, 300), t.TempDir()
	spec := task.CopyTree{From: from, To: to, Kind: task.ContentAddressed}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	slow := spec
	slow.BytesPerSecond = 5000
	if err := Copy(ctx, slow, page(t)); task.ReasonOf(err, "") != task.DeadlineExceeded {
		t.Fatalf("error is %v", err)
	}
	p := page(t)
	must(t, Copy(context.Background(), spec, p))
	if n := p.Result().Facts["x.copied"]; n == "0" || n == "300" {
		t.Errorf("the second run copied %s of 300", n)
	}
	blob(t, from, "later")
	p = page(t)
	must(t, Copy(context.Background(), spec, p))
	if n := p.Result().Facts["x.copied"]; n != "1" {
		t.Errorf("the third run copied %s", n)
	}
	a, b := page(t), page(t)
	must(t, Hash(context.Background(), task.HashTree{Root: from, Kind: task.ContentAddressed}, a))
	must(t, Hash(context.Background(), task.HashTree{Root: to, Kind: task.ContentAddressed}, b))
	if a.Result().Facts["x.digest"] != b.Result().Facts["x.digest"] {
		t.Error("the copy differs")
	}
}

func TestADamagedBlobIsNotCopied(t *testing.T) {
	from, to := blobs(t, 3), t.TempDir()
	bad := blob(t, from, "good")
	must(t, os.WriteFile(bad, []byte("baad"), 0o644))
	err := Copy(context.Background(), task.CopyTree{From: from, To: to, Kind: task.ContentAddressed}, page(t))
	if task.ReasonOf(err, "") != task.HashMismatch {
		t.Errorf("error is %v", err)
	}
	rel, _ := filepath.Rel(from, bad)
	if _, err := os.Stat(filepath.Join(to, rel)); err == nil {
		t.Error("it was copied")
	}
}

func TestShardsTogetherCopyAll(t *testing.T) {
	from, to := blobs(t, 100), t.TempDir()
	for i := range 3 {
		must(
			t,
			Copy(
				context.Background(),
				task.CopyTree{From: from, To: to, Kind: task.ContentAddressed, Shard: i, Shards: 3},
				page(t),
			),
		)
	}
	p := page(t)
	must(t, Hash(context.Background(), task.HashTree{Root: to, Kind: task.ContentAddressed}, p))
	if n := p.Result().Facts["x.files"]; n != "100" {
		t.Errorf("%s files are there", n)
	}
}

func TestUpdateReplacesWhatChanged(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write := func(s string, at time.Time) {
		must(t, os.WriteFile(filepath.Join(from, "a"), []byte(s), 0o640))
		must(t, os.Chtimes(filepath.Join(from, "a"), at, at))
	}
	spec := task.CopyTree{From: from, To: to, Kind: task.Manifested, Update: true}
	write("one", time.Unix(1000, 0))
	must(t, Copy(context.Background(), spec, page(t)))
	write("two", time.Unix(2000, 0))
	must(t, Copy(context.Background(), spec, page(t)))
	b, err := os.ReadFile(filepath.Join(to, "a"))
	must(t, err)
	if string(b) != "two" {
		t.Errorf("content is %s", b)
	}
}

func TestReferences(t *testing.T) {
	root, p := blobs(t, 1), page(t)
	r := NewReferences(root, p)
	sum := sha1.Sum([]byte("content 0"))
	must(t, r.Check(hex.EncodeToString(sum[:]), "9"))
	must(t, r.Check(strings.Repeat("0", 40), "1"))
	if err := r.Conclude(1); err != nil {
		t.Errorf("what was missing before is blamed: %v", err)
	}
	if err := r.Conclude(0); task.ReasonOf(err, "") != task.BlobMissing {
		t.Errorf("error is %v", err)
	}
}

func TestLinkLeavesTheBaseAlone(t *testing.T) {
	base, to := blobs(t, 20), t.TempDir()
	spec := task.LinkTree{Base: base, To: to}
	must(t, Link(context.Background(), spec, page(t)))
	added := blob(t, to, "a new file of the copy")
	blob(t, base, "later")
	p := page(t)
	must(t, Link(context.Background(), spec, p))
	if n := p.Result().Facts["x.linked"]; n != "1" {
		t.Errorf("the second run linked %s", n)
	}
	if fi, err := os.Lstat(added); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("the copy's own file is %v, %v", fi, err)
	}
	q := page(t)
	must(t, Hash(context.Background(), task.HashTree{Root: base, Kind: task.ContentAddressed}, q))
	if n := q.Result().Facts["x.files"]; n != "21" {
		t.Errorf("the base has %s files", n)
	}
}

func TestClearStaysWithin(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "precious"), nil, 0o644))
	must(t, os.MkdirAll(filepath.Join(root, "cache/a/b"), 0o755))
	must(t, os.Symlink(outside, filepath.Join(root, "cache/link")))
	must(t, os.Symlink(outside, filepath.Join(root, "away")))
	must(t, os.WriteFile(filepath.Join(root, "keep"), nil, 0o644))
	p := page(t)
	must(t, Clear(context.Background(), task.Clear{Root: root, Paths: []string{"cache", "none"}}, p))
	if err := Clear(context.Background(), task.Clear{Root: root, Paths: []string{"away"}}, page(t)); err == nil {
		t.Error("a link was followed")
	}
	for _, f := range []string{filepath.Join(outside, "precious"), filepath.Join(root, "keep"), filepath.Join(root, "cache")} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
	if n := p.Result().Facts["x.removed"]; n != "2" {
		t.Errorf("removed %s", n)
	}
}
