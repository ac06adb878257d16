// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// complete puts dump and manifest into place, in this order.
func complete(spec task.Dump, tmp string, m task.Manifest, p *evidence.Page) error {
	if err := os.Rename(tmp, filepath.Join(spec.Dir, m.File)); err != nil {
		return fmt.Errorf("put dump into place: %w", err)
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := writeWhole(filepath.Join(spec.Dir, spec.Name+".json"), b); err != nil {
		return err
	}
	return publish(m, p)
}

// publish makes the manifest part of the evidence.
func publish(m task.Manifest, p *evidence.Page) error {
	p.Fact("file", m.File)
	p.Fact("size", strconv.FormatInt(m.Size, 10))
	p.Fact("sha256", m.SHA256)
	p.Fact("serverVersion", m.ServerVersion)
	p.Fact("databaseSize", strconv.FormatInt(m.DatabaseSize, 10))
	p.Fact("takenAt", m.TakenAt.Format(time.RFC3339))
	for k, v := range m.Counts {
		p.Fact("count."+k, v)
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	return p.Document("manifest.json", b)
}

// writeWhole makes a file appear complete or not at all, also after a power cut.
func writeWhole(path string, b []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".gradus-*")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Chmod(0o640); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("put %s into place: %w", path, err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	return d.Sync()
}
