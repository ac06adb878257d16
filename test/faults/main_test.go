// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"testing"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/gradus-lms/gradus/test/faults/world"
)

var server *world.Server

// broken off: what is not survived from now on has no API server.
var broken atomic.Bool

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("testing: warning: no tests to run") // plain `go test ./...` says so of the package
		fmt.Println("left out: faults need an API server: KUBEBUILDER_ASSETS (make faults sets it)")
		os.Exit(0)
	}
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard))) // what reconcilers say is told with the run that fails
	// The API server and etcd do, too: they have most of the work, and memory is not short
	// below this limit.
	debug.SetGCPercent(1600)
	debug.SetMemoryLimit(3 << 30)
	_ = os.Setenv("GOGC", "1600")
	_ = os.Setenv("GOMEMLIMIT", "3GiB")
	var err error
	if server, err = world.Start(context.Background(), "../..", *record != ""); err != nil {
		fmt.Fprintln(os.Stderr, "start:", err)
		os.Exit(1)
	}
	go func() { // whoever interrupts a long run does not leave an API server behind
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
		<-interrupted
		broken.Store(true)
		_ = server.Stop()
		os.Exit(130)
	}()
	code := m.Run()
	_ = server.Stop()
	os.Exit(code)
}
