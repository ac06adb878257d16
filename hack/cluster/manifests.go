// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gradus-lms/gradus/hack/cluster/internal/build"
)

const snapshotClient = "github.com/kubernetes-csi/external-snapshotter/client/v8"

// snapshotCRDs returns a file with the snapshots' CRDs, taken from the module
// that the snapshotter is built with.
func snapshotCRDs(l Layout) (string, error) {
	source := filepath.Join(l.Source, "components", "snapshotter")
	version, err := build.ModuleVersion(filepath.Join(source, "go.mod"), snapshotClient)
	if err != nil {
		return "", err
	}
	target := filepath.Join(l.Cache, "snapshot-crds-"+version+".yaml")
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	command := exec.Command("go", "mod", "download", "-json", snapshotClient)
	command.Dir = source
	command.Env = append(os.Environ(), "GOWORK=off")
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("download module %s: %w", snapshotClient, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return "", fmt.Errorf("read about module %s: %w", snapshotClient, err)
	}
	if err := writeCRDs(filepath.Join(module.Dir, "config", "crd"), target); err != nil {
		return "", err
	}
	return target, nil
}

// writeCRDs joins the files of the kinds that are served here: snapshots, and
// not groups of them.
func writeCRDs(folder, target string) error {
	names, err := filepath.Glob(filepath.Join(folder, "snapshot.storage.k8s.io_*.yaml"))
	if err != nil {
		return fmt.Errorf("find CRDs: %w", err)
	}
	if len(names) == 0 {
		return fmt.Errorf("find CRDs: %s has none", folder)
	}
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read CRD: %w", err)
		}
		fmt.Fprintf(&all, "---\n%s\n", data)
	}
	if err := os.WriteFile(target, []byte(all.String()), 0o644); err != nil {
		return fmt.Errorf("write CRDs: %w", err)
	}
	return nil
}

func readAll(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "" // apply then says that there is nothing to apply
	}
	return string(data)
}

func apply(l Layout, content string) (string, error) {
	return kubectl(l, content, "apply", "--server-side", "--force-conflicts", "-f", "-")
}

// applyManifests repeats until the API server serves the CRDs.
func applyManifests(l Layout) error {
	entries, err := manifests.ReadDir("manifests")
	if err != nil {
		return fmt.Errorf("list manifests: %w", err)
	}
	var all strings.Builder
	for _, entry := range entries {
		data, err := manifests.ReadFile("manifests/" + entry.Name())
		if err != nil {
			return fmt.Errorf("read manifest: %w", err)
		}
		fmt.Fprintf(&all, "---\n%s\n", data)
	}
	return poll(func() error {
		_, err := apply(l, all.String())
		return err
	})
}
