// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package rights asks a real API server who may do what: the roles and policies
// of config, as kustomize renders them, against requests of every identity.
package rights

import (
	"context"
	"fmt"
	"os"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// The cluster that the tests of this package share.
var (
	config *rest.Config
	admin  client.Client // system:masters
)

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("testing: warning: no tests to run") // plain `go test ./...` says so of the package
		fmt.Println("left out: tests of roles and policies need KUBEBUILDER_ASSETS (make test sets it)")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	cluster := &envtest.Environment{CRDDirectoryPaths: []string{"testdata/snapshot-crds.yaml"}}
	var err error
	if config, err = cluster.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "start of the API server:", err)
		return 1
	}
	defer func() { _ = cluster.Stop() }()
	config.QPS, config.Burst = 500, 500
	if err := prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "preparation:", err)
		return 1
	}
	return m.Run()
}
