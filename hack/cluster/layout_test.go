// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestLayout(t *testing.T) {
	for _, state := range []string{"/", "/srv", "/run/x", "/var/log/x", "/var/lib/" + strings.Repeat("x", longestState)} {
		if _, err := NewLayout(state, "/var/cache/x", "/src"); err == nil {
			t.Errorf("state folder %s is accepted", state)
		}
	}
	one, err := NewLayout("/var/lib/one", "/var/cache/x", "/src")
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewLayout("/var/lib/two", "/var/cache/x", "/src")
	if err != nil {
		t.Fatal(err)
	}
	if one.ID == two.ID || one.NodeIP == two.NodeIP || one.HostVeth == two.HostVeth {
		t.Errorf("two clusters share names: %+v %+v", one, two)
	}
	if len(one.HostVeth) > 15 {
		t.Errorf("device name %s is longer than the kernel's 15 bytes", one.HostVeth)
	}
}

// TestSocketsFit takes the longest state folder: the kubelet's registration
// socket of a driver must stay within the kernel's 107 bytes.
func TestSocketsFit(t *testing.T) {
	l, err := NewLayout("/var/lib/"+strings.Repeat("x", longestState-9), "/var/cache/x", "/src")
	if err != nil {
		t.Fatal(err)
	}
	if socket := l.Path("kubelet", "plugins_registry", driverPlain+"-reg.sock"); len(socket) > 107 {
		t.Errorf("%s has %d bytes", socket, len(socket))
	}
}

func TestSplitFlagsTakesOnlyItsOwn(t *testing.T) {
	err := run([]string{"kubeconfig", "--raw", "--state", "/var/lib/does-not-exist"})
	if err == nil || !strings.Contains(err.Error(), "/var/lib/does-not-exist") {
		t.Errorf("kubeconfig of no cluster: %v", err)
	}
}
