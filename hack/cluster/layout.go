// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gradus-lms/gradus/hack/cluster/internal/build"
)

const (
	sourceVariable = "GRADUS_CLUSTER_SOURCE"
	defaultState   = "/var/lib/gradus-cluster"
	nodeName       = "node"
	// A socket's path may have 107 bytes; the longest below the state folder
	// is the kubelet's registration socket of a driver.
	longestState = 40
)

// Addresses inside the cluster. Only the veth pair's differ between clusters:
// all others exist in its own network namespace only.
const (
	podCIDR     = "10.244.0.0/16"
	serviceCIDR = "10.96.0.0/16"
	serviceAPI  = "10.96.0.1"
	serviceDNS  = "10.96.0.10"
)

// Layout says where everything of one cluster is. All of it follows from the
// state folder, so that `down` finds what a killed `up` left.
type Layout struct {
	State  string
	Cache  string
	Source string
	// ID names the cluster's cgroup and network namespace.
	ID string
	// HostVeth and NodeVeth are the ends of the only wire.
	HostVeth, NodeVeth string
	HostIP, NodeIP     string
}

// NewLayout checks the folders and derives the rest.
func NewLayout(state, cache, source string) (Layout, error) {
	state, err := filepath.Abs(state)
	if err != nil {
		return Layout{}, fmt.Errorf("resolve state folder: %w", err)
	}
	cache, err = filepath.Abs(cache)
	if err != nil {
		return Layout{}, fmt.Errorf("resolve cache folder: %w", err)
	}
	if len(state) > longestState {
		return Layout{}, fmt.Errorf("state folder %s: longer than %d bytes; socket paths would not fit", state, longestState)
	}
	for _, hidden := range []string{"/run", "/var/run", "/var/log", "/proc", "/sys", "/dev"} {
		if state == hidden || strings.HasPrefix(state, hidden+"/") {
			return Layout{}, fmt.Errorf("state folder %s: the cluster hides %s from its programs; choose another", state, hidden)
		}
	}
	if state == "/" || filepath.Dir(state) == "/" {
		return Layout{}, errors.New("state folder: choose one below another folder; it is removed by down")
	}
	sum := sha256.Sum256([]byte(state))
	short := hex.EncodeToString(sum[:3])
	// The default cluster has fixed addresses; others take a /30 by their name.
	third, fourth := 0, 0
	if state != defaultState {
		third, fourth = 1+int(sum[3])%250, 4*(int(sum[4])%64)
	}
	return Layout{
		State: state, Cache: cache, Source: source,
		ID:       "gradus-" + short,
		HostVeth: "gr" + short + "h", NodeVeth: "gr" + short + "n",
		HostIP: fmt.Sprintf("10.89.%d.%d", third, fourth+1),
		NodeIP: fmt.Sprintf("10.89.%d.%d", third, fourth+2),
	}, nil
}

// Path joins names below the state folder.
func (l Layout) Path(names ...string) string {
	return filepath.Join(append([]string{l.State}, names...)...)
}

// Program is the path of one of the supervisor's programs: a folder of links
// that `up` fills from the cache.
func (l Layout) Program(name string) string { return l.Path("bin", name) }

// Kubeconfig is the path of one identity's kubeconfig.
func (l Layout) Kubeconfig(identity string) string { return l.Path("kubeconfig", identity) }

// Server is the API server's address, from the host and from the node alike.
func (l Layout) Server() string { return "https://" + l.NodeIP + ":6443" }

// Builder makes programs with the layout's folders.
func (l Layout) Builder() build.Builder {
	return build.Builder{Source: filepath.Join(l.Source, "components"), Cache: l.Cache, Progress: os.Stderr}
}
