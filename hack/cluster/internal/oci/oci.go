// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package oci writes images as OCI layouts in a tar, which containerd imports
// with their digests kept. The same input gives the same bytes.
package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

const (
	layerType    = "application/vnd.oci.image.layer.v1.tar"
	configType   = "application/vnd.oci.image.config.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	indexType    = "application/vnd.oci.image.index.v1+json"
)

// Image is what a tar is made from. Layers are files, uncompressed tars.
type Image struct {
	Name       string
	Layers     []string
	Entrypoint []string
	Env        []string
	User       string
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Write writes the image to a file.
func (i Image) Write(path string) error {
	partial := path + ".partial"
	file, err := os.Create(partial)
	if err != nil {
		return fmt.Errorf("create image: %w", err)
	}
	defer file.Close()
	if err := i.write(tar.NewWriter(file)); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close image: %w", err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("rename image: %w", err)
	}
	return nil
}

func (i Image) write(out *tar.Writer) error {
	var layers []descriptor
	diffs := []string{}
	for _, path := range i.Layers {
		layer, err := writeLayer(out, path)
		if err != nil {
			return err
		}
		layers, diffs = append(layers, layer), append(diffs, layer.Digest)
	}
	config, err := writeJSON(out, configType, map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{
			"Entrypoint": i.Entrypoint, "Env": i.Env, "User": i.User, "WorkingDir": "/",
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		return err
	}
	manifest, err := writeJSON(out, manifestType, map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers,
	})
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{"io.containerd.image.name": i.Name}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": indexType, "manifests": []descriptor{manifest},
	})
	if err != nil {
		return fmt.Errorf("encode index: %w", err)
	}
	if err := writeFile(out, "index.json", index); err != nil {
		return err
	}
	if err := writeFile(out, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return err
	}
	return out.Close()
}

func writeLayer(out *tar.Writer, path string) (descriptor, error) {
	file, err := os.Open(path)
	if err != nil {
		return descriptor{}, fmt.Errorf("open layer: %w", err)
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return descriptor{}, fmt.Errorf("read layer: %w", err)
	}
	digest := hex.EncodeToString(hash.Sum(nil))
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return descriptor{}, fmt.Errorf("rewind layer: %w", err)
	}
	if err := out.WriteHeader(&tar.Header{Name: "blobs/sha256/" + digest, Mode: 0o644, Size: size}); err != nil {
		return descriptor{}, fmt.Errorf("write layer: %w", err)
	}
	if _, err := io.Copy(out, file); err != nil {
		return descriptor{}, fmt.Errorf("write layer: %w", err)
	}
	return descriptor{MediaType: layerType, Digest: "sha256:" + digest, Size: size}, nil
}

func writeJSON(out *tar.Writer, mediaType string, value any) (descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, fmt.Errorf("encode %s: %w", mediaType, err)
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	err = writeFile(out, "blobs/sha256/"+digest, data)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: int64(len(data))}, err
}

func writeFile(out *tar.Writer, name string, data []byte) error {
	if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := io.Copy(out, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
