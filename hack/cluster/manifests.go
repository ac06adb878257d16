package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const snapshotClient = "github.com/kubernetes-csi/external-snapshotter/client/v8"

// snapshotCRDs returns a file with the snapshots' CRDs, taken from the module
// that the snapshotter is built with.
func snapshotCRDs(l Layout) (string, error) {
	source := filepath.Join(l.Source, "components", "snapshotter")
	command := exec.Command("go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", snapshotClient)
	command.Dir = source
	command.Env = append(os.Environ(), "GOWORK=off")
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", snapshotClient, err)
	}
	version, folder, found := strings.Cut(strings.TrimSpace(string(out)), " ")
	if !found {
		return "", fmt.Errorf("find module %s: it is not downloaded: run build", snapshotClient)
	}
	target := filepath.Join(l.Cache, "snapshot-crds-"+version+".yaml")
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	names, err := filepath.Glob(filepath.Join(folder, "config", "crd", "snapshot.storage.k8s.io_*.yaml"))
	if err != nil || len(names) == 0 {
		return "", fmt.Errorf("find CRDs in %s: %d files: %w", folder, len(names), err)
	}
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read CRD: %w", err)
		}
		fmt.Fprintf(&all, "---\n%s\n", data)
	}
	if err := os.WriteFile(target, []byte(all.String()), 0o644); err != nil {
		return "", fmt.Errorf("write CRDs: %w", err)
	}
	return target, nil
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
