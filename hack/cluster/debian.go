// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// clusterPackages are the Debian packages that the cluster needs, each known
// by a program of it.
var clusterPackages = map[string]string{
	"runc": "runc", "iptables": "iptables", "nft": "nftables", "ipset": "ipset", "conntrack": "conntrack",
	"ethtool": "ethtool", "socat": "socat", "mkfs.btrfs": "btrfs-progs", "ip": "iproute2",
	"nsenter": "util-linux", "mount": "mount", "cp": "coreutils", "sysctl": "procps",
}

// imagePackages are those that `image debian` needs.
var imagePackages = map[string]string{"mmdebstrap": "mmdebstrap"}

// ensurePackages installs what is missing, or says what that is.
func ensurePackages(programs map[string]string) error {
	var missing []string
	for program, name := range programs {
		if _, err := findProgram(program); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	sort.Strings(missing)
	list := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("programs are missing and only root can install them: apt-get install %s", list)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("programs are missing and there is no apt-get: install the likes of %s", list)
	}
	fmt.Fprintf(os.Stderr, "install Debian packages %s\n", list)
	install := append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)
	for _, args := range [][]string{{"update", "-qq"}, install} {
		command := exec.Command("apt-get", args...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// findProgram looks into sbin too, which a caller's PATH may lack.
func findProgram(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, name), nil
		}
	}
	return "", err
}

// systemPath is the PATH of everything that the cluster starts.
const systemPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// system runs one of Debian's programs; what it printed is told if it fails.
func system(name string, args ...string) error {
	path, err := findProgram(name)
	if err != nil {
		return err
	}
	command := exec.Command(path, args...)
	command.Env = append(os.Environ(), systemPath)
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
