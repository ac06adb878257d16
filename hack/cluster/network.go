// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func (l Layout) namespacePath() string { return filepath.Join("/run/netns", l.ID) }

// makeNetwork makes the namespace and its only wire. There is no route to
// anywhere but the host's end: no packet of a pod leaves the machine, even if
// the host forwards. Service addresses want a route all the same, for programs
// of the node look one up before the address is translated.
func makeNetwork(l Layout) error {
	if !hasNamespace(l) {
		if err := system("ip", "netns", "add", l.ID); err != nil {
			return err
		}
	}
	if _, err := os.Stat("/sys/class/net/" + l.HostVeth); err == nil {
		return nil
	}
	host, node := l.HostIP+"/30", l.NodeIP+"/30"
	for _, line := range []string{
		"link add " + l.HostVeth + " type veth peer name " + l.NodeVeth + " netns " + l.ID,
		"addr add " + host + " dev " + l.HostVeth,
		"link set " + l.HostVeth + " up",
		"-n " + l.ID + " addr add " + node + " dev " + l.NodeVeth,
		"-n " + l.ID + " link set " + l.NodeVeth + " up",
		"-n " + l.ID + " link set lo up",
		"-n " + l.ID + " route add unreachable default",
		"-n " + l.ID + " route add " + serviceCIDR + " dev " + l.NodeVeth,
	} {
		if err := system("ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// hasNamespace asks for a mount: `ip netns` leaves an empty file when it is
// killed half-way, and a file is not a namespace.
func hasNamespace(l Layout) bool {
	mounts, err := mountPoints("/proc/self/mountinfo", l.namespacePath())
	return err == nil && len(mounts) > 0
}

func removeNetwork(l Layout) error {
	if _, err := os.Stat("/sys/class/net/" + l.HostVeth); err == nil {
		if err := system("ip", "link", "delete", l.HostVeth); err != nil {
			return err
		}
	}
	if _, err := os.Stat(l.namespacePath()); err == nil {
		if err := system("ip", "netns", "delete", l.ID); err != nil {
			return err
		}
	}
	return nil
}

// mountPoints lists the mounts at or below a folder, the deepest last.
func mountPoints(mountinfo, folder string) ([]string, error) {
	data, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	var points []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && (fields[4] == folder || strings.HasPrefix(fields[4], folder+"/")) {
			points = append(points, fields[4])
		}
	}
	return points, nil
}
