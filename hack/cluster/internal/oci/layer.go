// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

// File is one file of a layer.
type File struct {
	Path    string // in the image
	Source  string // on disk, if Content is nil
	Content []byte
	Mode    int64
}

// Folders of every layer; a tar that lacks them has parents of any mode.
var folderModes = map[string]int64{"tmp": 0o1777}

// WriteLayer writes files, and the folders above them, owned by root and
// without times.
func WriteLayer(file string, files []File, folders ...string) error {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("create layer: %w", err)
	}
	defer out.Close()
	writer := tar.NewWriter(out)
	for _, folder := range allFolders(files, folders) {
		mode, found := folderModes[folder]
		if !found {
			mode = 0o755
		}
		header := &tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: mode}
		if err := writer.WriteHeader(header); err != nil {
			return fmt.Errorf("write folder %s: %w", folder, err)
		}
	}
	sort.Slice(files, func(a, b int) bool { return files[a].Path < files[b].Path })
	for _, f := range files {
		if err := f.write(writer); err != nil {
			return fmt.Errorf("write file %s: %w", f.Path, err)
		}
	}
	if err := writer.Close(); err != nil {
		return fmt.Errorf("close layer: %w", err)
	}
	return out.Close()
}

func (f File) write(writer *tar.Writer) error {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Path, "/"), Mode: f.Mode, Size: int64(len(f.Content)),
	}
	if f.Content != nil {
		if err := writer.WriteHeader(header); err != nil {
			return err
		}
		_, err := writer.Write(f.Content)
		return err
	}
	source, err := os.Open(f.Source)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(writer, source)
	return err
}

func allFolders(files []File, more []string) []string {
	seen := map[string]bool{}
	add := func(folder string) {
		for ; folder != "." && folder != "/" && folder != ""; folder = path.Dir(folder) {
			seen[strings.TrimPrefix(folder, "/")] = true
		}
	}
	for _, f := range files {
		add(path.Dir(strings.TrimPrefix(f.Path, "/")))
	}
	for _, folder := range more {
		add(strings.TrimPrefix(folder, "/"))
	}
	var folders []string
	for folder := range seen {
		folders = append(folders, folder)
	}
	sort.Strings(folders)
	return folders
}
