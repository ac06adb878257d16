// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var errProcessesRemain = errors.New("processes did not end")

// hierarchies lists where cgroups are mounted: one place on version 2, one for
// each controller on version 1, both on a hybrid.
func hierarchies() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var roots []string
	for line := range strings.Lines(string(data)) {
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup") && len(fields) > 4 {
			roots = append(roots, fields[4])
		}
	}
	return roots, nil
}

// cgroups are the cluster's own cgroup in each hierarchy. Everything that the
// cluster runs is below, pods too (the kubelet's cgroupRoot): that is how
// `down` knows the cluster's processes from others.
func (l Layout) cgroups() ([]string, error) {
	roots, err := hierarchies()
	for i, root := range roots {
		roots[i] = filepath.Join(root, l.ID)
	}
	return roots, err
}

// joinCgroups puts a process into the cluster's cgroups, making them first.
func joinCgroups(l Layout, pid int) error {
	groups, err := l.cgroups()
	if err != nil {
		return err
	}
	for _, group := range groups {
		system := filepath.Join(group, "system")
		if err := os.MkdirAll(system, 0o755); err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if err := inheritCPUSet(group, system); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(system, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("join cgroup %s: %w", system, err)
		}
	}
	return nil
}

// inheritCPUSet fills what version 1 leaves empty and demands.
func inheritCPUSet(groups ...string) error {
	for _, group := range groups {
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(filepath.Dir(group), file))
			if errors.Is(err, fs.ErrNotExist) || (err == nil && strings.TrimSpace(string(value)) == "") {
				continue
			}
			if err != nil {
				return fmt.Errorf("read cpuset: %w", err)
			}
			if err := os.WriteFile(filepath.Join(group, file), value, 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("write cpuset: %w", err)
			}
		}
	}
	return nil
}

// processes lists the cluster's processes.
func processes(l Layout) ([]int, error) {
	var pids []int
	err := walkCgroups(l, func(group string) error {
		data, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.EOPNOTSUPP) {
			return nil
		}
		for field := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
		return err
	})
	slices.Sort(pids)
	return slices.Compact(pids), err
}

// killAll ends every process of the cluster, the newest generation included.
func killAll(l Layout) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		// What is frozen does not die: thaw first.
		if err := walkCgroups(l, thaw); err != nil {
			return err
		}
		pids, err := processes(l)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kill processes %v: %w", pids, errProcessesRemain)
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func thaw(group string) error {
	for file, value := range map[string]string{"freezer.state": "THAWED", "cgroup.freeze": "0"} {
		err := os.WriteFile(filepath.Join(group, file), []byte(value), 0)
		// The file is missing where the hierarchy does not freeze.
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENODEV)
		if err != nil && !missing {
			return fmt.Errorf("thaw cgroup %s: %w", group, err)
		}
	}
	return nil
}

// removeCgroups removes the emptied cgroups, children first.
func removeCgroups(l Layout) error {
	var all []string
	if err := walkCgroups(l, func(group string) error { all = append(all, group); return nil }); err != nil {
		return err
	}
	for _, group := range slices.Backward(all) {
		var err error
		// Busy for a moment after the last process.
		for range 100 {
			if err = os.Remove(group); err == nil || errors.Is(err, fs.ErrNotExist) {
				err = nil
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// walkCgroups visits each of the cluster's cgroups, parents first.
func walkCgroups(l Layout, visit func(string) error) error {
	groups, err := l.cgroups()
	if err != nil {
		return err
	}
	for _, group := range groups {
		err := filepath.WalkDir(group, func(path string, entry os.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || (err == nil && !entry.IsDir()) {
				return nil
			}
			if err != nil {
				return err
			}
			return visit(path)
		})
		if err != nil {
			return fmt.Errorf("walk cgroup %s: %w", group, err)
		}
	}
	return nil
}
