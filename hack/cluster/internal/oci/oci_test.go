// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// makeImage writes an image of one small layer and returns its bytes.
func makeImage(t *testing.T) []byte {
	t.Helper()
	layer, out := filepath.Join(t.TempDir(), "layer.tar"), filepath.Join(t.TempDir(), "image.tar")
	files := []File{
		{Path: "/usr/local/bin/tool", Content: []byte("tool"), Mode: 0o755},
		{Path: "etc/passwd", Content: []byte("root:x:0:0::/:/bin/false\n"), Mode: 0o644},
	}
	if err := WriteLayer(layer, files, "/tmp"); err != nil {
		t.Fatal(err)
	}
	i := Image{Name: "localhost/tool:dev", Layers: []string{layer}, Entrypoint: []string{"/usr/local/bin/tool"}, User: "65532"}
	if err := i.Write(out); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func entries(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSameInputGivesSameBytes(t *testing.T) {
	if !bytes.Equal(makeImage(t), makeImage(t)) {
		t.Error("two images of the same input differ")
	}
}

func TestIndexLeadsToLayer(t *testing.T) {
	files := entries(t, makeImage(t))
	var index, manifest struct {
		Manifests []descriptor
		Layers    []descriptor
	}
	if err := json.Unmarshal(files["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	if name := index.Manifests[0].Annotations["io.containerd.image.name"]; name != "localhost/tool:dev" {
		t.Errorf("image is called %q", name)
	}
	blob := func(digest string) []byte { return files["blobs/sha256/"+digest[len("sha256:"):]] }
	if err := json.Unmarshal(blob(index.Manifests[0].Digest), &manifest); err != nil {
		t.Fatal(err)
	}
	layer := entries(t, blob(manifest.Layers[0].Digest))
	if string(layer["usr/local/bin/tool"]) != "tool" {
		t.Errorf("layer holds %v", layer)
	}
	if _, found := layer["tmp/"]; !found {
		t.Error("layer lacks /tmp")
	}
}
