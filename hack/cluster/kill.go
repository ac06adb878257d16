// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// killOne ends a program or the processes of a container without warning, as
// tests want it. Of a program it waits until the supervisor has it ready again;
// what becomes of a container is the kubelet's to decide.
func killOne(l Layout, args []string) error {
	if len(args) != 1 {
		return errors.New("kill: name a program of `status`, or the ID of a container")
	}
	if containerID.MatchString(args[0]) {
		return killContainer(l, args[0])
	}
	return killProgram(l, args[0])
}

func killProgram(l Layout, name string) error {
	victim, err := statusOf(l, name)
	if err != nil {
		return err
	}
	if victim.PID == 0 {
		return fmt.Errorf("kill: %s does not run: %s", name, victim.Error)
	}
	start := time.Now()
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s, process %d: %w", name, victim.PID, err)
	}
	err = poll(func() error {
		now, err := statusOf(l, name)
		if err == nil && (now.State != stateReady || now.Restarts == victim.Restarts) {
			err = fmt.Errorf("%s is %s after %d restarts: %s", name, now.State, now.Restarts, now.Error)
		}
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("process %d, ready again after %.1fs\n", victim.PID, time.Since(start).Seconds())
	return nil
}

func statusOf(l Layout, name string) (progress, error) {
	all, err := readStatus(l)
	if err != nil {
		return progress{}, err
	}
	for _, p := range all {
		if p.Name == name {
			return p, nil
		}
	}
	return progress{}, fmt.Errorf("no program is called %s", name)
}

// killContainer finds the processes by their cgroup, which has the container's
// ID for a name.
func killContainer(l Layout, id string) error {
	killed := map[int]bool{}
	err := walkCgroups(l, func(group string) error {
		if filepath.Base(group) != id {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for field := range strings.FieldsSeq(string(data)) {
			pid, bad := strconv.Atoi(field)
			if bad != nil || pid <= 1 || killed[pid] {
				continue
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
			killed[pid] = true
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(killed) == 0 {
		return fmt.Errorf("kill: container %.12s has no process", id)
	}
	for pid := range killed {
		fmt.Printf("process %d\n", pid)
	}
	return nil
}
