// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command csidriver is a CSI driver for development on one node: volumes and
// snapshots are btrfs subvolumes of one pool, or folders that are copied while
// the pods that use them are frozen. Either way a snapshot is a point in time.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// poolMarker is a file that whoever mounts the pool puts into it. Without it
// an unmounted pool would look like one whose volumes were all deleted.
const poolMarker = ".pool"

var errNoPool = errors.New("marker file is missing: the pool is not mounted")

type settings struct {
	node, pool, registrations, engine, freezer string
	drivers                                    []string
}

func main() {
	var s settings
	flag.StringVar(&s.node, "node", "", "name of this node")
	flag.StringVar(&s.pool, "pool", "", "folder of the volumes and snapshots")
	flag.StringVar(&s.registrations, "registrations", "", "the kubelet's plugins_registry; empty: do not register")
	flag.StringVar(&s.engine, "engine", "btrfs", "btrfs, or copy")
	flag.StringVar(&s.freezer, "freezer", "", "cgroup below which pods are frozen; empty: no freezing")
	flag.Func("driver", "NAME=SOCKET[,nosnapshots]; may be repeated", func(value string) error {
		s.drivers = append(s.drivers, value)
		return nil
	})
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "csidriver:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if _, err := os.Stat(filepath.Join(s.pool, poolMarker)); err != nil {
		return fmt.Errorf("open pool %s: %w", s.pool, errNoPool)
	}
	freezer := &freezer{root: s.freezer, ledger: filepath.Join(s.pool, "frozen")}
	if err := freezer.thawAll(); err != nil {
		return err
	}
	var e engine = btrfs{freezer: freezer}
	if s.engine == "copy" {
		e = copier{freezer: freezer}
	}
	failed := make(chan error, 2*len(s.drivers))
	for _, description := range s.drivers {
		if err := start(s, description, e, failed); err != nil {
			return err
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-failed:
		return err
	case <-signals:
		return nil
	}
}

func start(s settings, description string, e engine, failed chan<- error) error {
	name, socket, found := strings.Cut(description, "=")
	if !found {
		return fmt.Errorf("driver %s: want NAME=SOCKET", description)
	}
	socket, without := strings.CutSuffix(socket, ",nosnapshots")
	store, err := openStore(filepath.Join(s.pool, name), e)
	if err != nil {
		return err
	}
	d := &driver{name: name, node: s.node, store: store, snapshots: !without}
	err = serve(socket, failed, func(server *grpc.Server) {
		csi.RegisterIdentityServer(server, d)
		csi.RegisterControllerServer(server, d)
		csi.RegisterNodeServer(server, d)
	})
	if err != nil || s.registrations == "" {
		return err
	}
	return serve(filepath.Join(s.registrations, name+"-reg.sock"), failed, func(server *grpc.Server) {
		registration.RegisterRegistrationServer(server, &registrar{name: name, endpoint: socket})
	})
}

func serve(socket string, failed chan<- error, register func(*grpc.Server)) error {
	if err := os.MkdirAll(filepath.Dir(socket), 0o750); err != nil {
		return fmt.Errorf("create folder of socket: %w", err)
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale socket %s: %w", socket, err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", socket, err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(logCall))
	register(server)
	go func() { failed <- server.Serve(listener) }()
	return nil
}
