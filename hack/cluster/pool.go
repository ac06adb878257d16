// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Engines of the CSI driver.
const (
	poolBtrfs = "btrfs"
	poolCopy  = "copy"
	poolSize  = 64 << 30 // sparse
)

// mountPool makes the place of the volumes: btrfs in a file where the kernel
// and the machine allow it, else a plain folder whose snapshots are copies. It
// returns the driver's engine. The marker tells the driver that the pool is
// there.
func mountPool(l Layout) (string, error) {
	pool, image, engine := l.Path("pool"), l.Path("pool.img"), poolBtrfs
	if err := os.MkdirAll(pool, 0o755); err != nil {
		return "", fmt.Errorf("create pool: %w", err)
	}
	marker := filepath.Join(pool, ".pool")
	if _, err := os.Stat(marker); err == nil {
		// A folder from an earlier start: its volumes are in it.
		return poolCopy, nil
	}
	_, missing := os.Stat(image)
	if err := mountImage(image, pool); err != nil {
		if missing == nil {
			return "", fmt.Errorf("mount the pool of an earlier start: %w", err)
		}
		_ = os.Remove(image)
		fmt.Fprintf(os.Stderr, "no btrfs here, snapshots will be copies: %v\n", err)
		engine = poolCopy
	}
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		return "", fmt.Errorf("mark pool: %w", err)
	}
	return engine, nil
}

func mountImage(image, pool string) error {
	if _, err := os.Stat(image); err != nil {
		partial := image + ".partial"
		if err := os.WriteFile(partial, nil, 0o600); err != nil {
			return fmt.Errorf("create image of pool: %w", err)
		}
		if err := os.Truncate(partial, poolSize); err != nil {
			return fmt.Errorf("size image of pool: %w", err)
		}
		if err := system("mkfs.btrfs", "-q", partial); err != nil {
			return err
		}
		if err := os.Rename(partial, image); err != nil {
			return fmt.Errorf("rename image of pool: %w", err)
		}
	}
	return system("mount", "-o", "loop,noatime", image, pool)
}

// hideHost gives the cluster folders of its own where its programs would leave
// traces on the host: sockets, locks, network names, links to logs.
func hideHost(l Layout) error {
	for _, folder := range []string{"/run", "/var/log"} {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("mount tmpfs on %s: %w", folder, err)
		}
	}
	if err := os.MkdirAll(l.Path("run", "cni"), 0o755); err != nil {
		return fmt.Errorf("create folder of networks: %w", err)
	}
	if err := os.MkdirAll(cniFolder, 0o755); err != nil {
		return fmt.Errorf("create folder of networks: %w", err)
	}
	if err := syscall.Mount(l.Path("run", "cni"), cniFolder, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount folder of networks: %w", err)
	}
	return nil
}

// cniFolder is fixed in the plugins' library.
const cniFolder = "/var/lib/cni"

// tune sets what routing and NetworkPolicy need, in the cluster's network
// namespace only.
func tune() error {
	for file, value := range map[string]string{
		"ipv4/ip_forward":                 "1",
		"bridge/bridge-nf-call-iptables":  "1",
		"bridge/bridge-nf-call-ip6tables": "1",
	} {
		if err := os.WriteFile("/proc/sys/net/"+file, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set net/%s: %w (is the br_netfilter module loaded?)", file, err)
		}
	}
	return nil
}

// freezerRoot is the cgroup below which pods can be frozen.
func freezerRoot(l Layout) string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return filepath.Join("/sys/fs/cgroup", l.ID, "kubepods")
	}
	return filepath.Join("/sys/fs/cgroup/freezer", l.ID, "kubepods")
}
