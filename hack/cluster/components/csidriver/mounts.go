// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mountsOf lists the places where a volume is mounted. The kernel knows them;
// a list of our own would be wrong after a crash. Handles are unique, so that
// the end of the mount's root tells the volume for either engine.
func mountsOf(handle string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var targets []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasSuffix(fields[3], "/"+handle) {
			targets = append(targets, unescape(fields[4]))
		}
	}
	return targets, nil
}

func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// bind mounts a tree. The kernel ignores MS_RDONLY on a fresh bind mount, so
// that takes a second call.
func bind(tree, target string, readonly bool) error {
	if err := unix.Mount(tree, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s on %s: %w", tree, target, err)
	}
	if !readonly {
		return nil
	}
	if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return errors.Join(fmt.Errorf("make mount %s read-only: %w", target, err), unix.Unmount(target, 0))
	}
	return nil
}

// unbind unmounts all that is stacked on the target and removes the empty
// folder; never more, for behind it is the volume.
func unbind(target string) error {
	for {
		err := unix.Unmount(target, 0)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove mount point: %w", err)
	}
	return nil
}
