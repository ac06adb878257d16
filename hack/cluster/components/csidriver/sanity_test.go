// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/kubernetes-csi/csi-test/v5/pkg/sanity"
)

// engineVariable tells the test's own child which engine to try: the suite runs
// once per process.
const engineVariable = "CSIDRIVER_ENGINE"

// TestSanity runs csi-test's suite against both engines.
func TestSanity(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("left out: mounting needs root")
	}
	switch os.Getenv(engineVariable) {
	case "copy":
		runSanity(t, "copy", t.TempDir())
	case "btrfs":
		runSanity(t, "btrfs", mountBtrfs(t))
	default:
		for _, name := range []string{"copy", "btrfs"} {
			t.Run(name, func(t *testing.T) {
				command := exec.Command(os.Args[0], "-test.run=^TestSanity$", "-test.v")
				command.Env = append(os.Environ(), engineVariable+"="+name)
				out, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				t.Logf("%s", summary.Find(out))
			})
		}
	}
}

// summary is the suite's closing line.
var summary = regexp.MustCompile(`Ran \d+ of \d+ Specs[^\n]*\n[^\n]*`)

func runSanity(t *testing.T, engineName, pool string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(pool, poolMarker), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	//nolint:usetesting // the path of a socket may have 107 bytes, and TMPDIR may be long
	run, err := os.MkdirTemp("/tmp", "csi")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(run) })
	f := &freezer{ledger: filepath.Join(pool, "frozen")}
	var e engine = btrfs{freezer: f}
	if engineName == "copy" {
		e = copier{freezer: f}
	}
	socket := filepath.Join(run, "csi.sock")
	if err := start(settings{node: "node", pool: pool}, "sanity.test="+socket, e, make(chan error, 1)); err != nil {
		t.Fatal(err)
	}
	config := sanity.NewTestConfig()
	config.Address = "unix://" + socket
	config.TargetPath = filepath.Join(run, "target")
	config.StagingPath = filepath.Join(run, "staging")
	config.CreateTargetDir, config.CreateStagingDir = makeFolder, makeFolder
	config.RemoveTargetPath, config.RemoveStagingPath = unbind, unbind
	sanity.Test(t, config)
}

func makeFolder(path string) (string, error) { return path, os.MkdirAll(path, 0o755) }

// mountBtrfs makes a small file system in a file, as the cluster does.
func mountBtrfs(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		t.Skip("left out: mkfs.btrfs is missing")
	}
	image, pool := filepath.Join(t.TempDir(), "pool.img"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, pool}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("left out: %v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", pool).CombinedOutput(); err != nil {
			t.Errorf("unmount pool: %v: %s", err, out)
		}
	})
	return pool
}
