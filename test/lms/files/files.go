// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package files is the content-addressed store of the data root.
package files

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Store keeps blobs below filedir and deleted ones below trashdir.
type Store struct{ Root string }

// Path is where the blob of a hash lies.
func (s Store) Path(hash string) string {
	return filepath.Join(s.Root, "filedir", hash[:2], hash[2:4], hash)
}

// Put writes content under its hash. Content that is there already stays.
func (s Store) Put(content io.Reader) (hash string, size int64, err error) {
	temp := filepath.Join(s.Root, "temp")
	if err := os.MkdirAll(temp, 0o777); err != nil {
		return "", 0, fmt.Errorf("put file: %w", err)
	}
	file, err := os.CreateTemp(temp, "put-*")
	if err != nil {
		return "", 0, fmt.Errorf("put file: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	sum := sha1.New()
	size, err = io.Copy(io.MultiWriter(file, sum), content)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", 0, fmt.Errorf("put file: %w", err)
	}
	hash = hex.EncodeToString(sum.Sum(nil))
	path := s.Path(hash)
	if _, err := os.Stat(path); err == nil {
		return hash, size, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", 0, fmt.Errorf("put file: %w", err)
	}
	if err := errors.Join(os.Chmod(file.Name(), 0o644), os.Rename(file.Name(), path)); err != nil {
		return "", 0, fmt.Errorf("put file: %w", err)
	}
	return hash, size, nil
}

// Open reads a blob.
func (s Store) Open(hash string) (*os.File, error) { return os.Open(s.Path(hash)) }

// Trash moves a blob to the trash; it is never taken back from there.
func (s Store) Trash(hash string) error {
	target := filepath.Join(s.Root, "trashdir", hash[:2], hash[2:4], hash)
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return fmt.Errorf("trash file: %w", err)
	}
	if err := os.Rename(s.Path(hash), target); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("trash file: %w", err)
	}
	return nil
}

// EmptyTrash removes all of the trash.
func (s Store) EmptyTrash() error { return os.RemoveAll(filepath.Join(s.Root, "trashdir")) }

// Blobs walks over every blob.
func (s Store) Blobs(visit func(hash string, size int64) error) error {
	root := filepath.Join(s.Root, "filedir")
	err := filepath.WalkDir(root, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return visit(entry.Name(), info.Size())
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Intact reads a blob and says whether its content still is what its name says.
func (s Store) Intact(hash string) (bool, error) {
	file, err := s.Open(hash)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	sum := sha1.New()
	if _, err := io.Copy(sum, file); err != nil {
		return false, err
	}
	return hex.EncodeToString(sum.Sum(nil)) == hash, nil
}
