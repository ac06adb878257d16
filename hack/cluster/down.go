// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"
)

// down ends the cluster and removes its traces. It knows all of them by names
// that follow from the state folder, and asks no process of the cluster: any
// of them may have been killed.
func down(l Layout, args []string) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	keep := flags.Bool("keep", false, "leave the state folder: the next up finds the cluster as it was")
	if err := flags.Parse(args); err != nil {
		return err
	}
	start := time.Now()
	for _, step := range []func() error{
		func() error { return killAll(l) },
		func() error { return removeMounts(l) },
		func() error { return removeNetwork(l) },
		func() error { return removeCgroups(l) },
		func() error { return removeEmpty(cniFolder) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	if *keep {
		if err := os.RemoveAll(l.Path("run")); err != nil {
			return fmt.Errorf("remove run folder: %w", err)
		}
	} else if err := removeState(l); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "down in %.1fs\n", time.Since(start).Seconds())
	return nil
}

// removeMounts is a second net: what the cluster mounts is in its own mount
// namespace and went with its last process.
func removeMounts(l Layout) error {
	points, err := mountPoints("/proc/self/mountinfo", l.State)
	if err != nil {
		return err
	}
	for _, point := range slices.Backward(points) {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("unmount %s: %w", point, err)
		}
	}
	return nil
}

// removeState refuses a folder that is not a cluster's.
func removeState(l Layout) error {
	// Gone already, or empty: an up that was killed at its first step.
	if err := os.Remove(l.State); err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(l.Path("bin")); err != nil {
		return fmt.Errorf("remove state folder %s: it does not look like a cluster's: %w", l.State, err)
	}
	if err := os.RemoveAll(l.State); err != nil {
		return fmt.Errorf("remove state folder: %w", err)
	}
	return nil
}

func removeEmpty(folder string) error {
	err := os.Remove(folder)
	if err == nil || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EBUSY) {
		return nil
	}
	return fmt.Errorf("remove folder: %w", err)
}
