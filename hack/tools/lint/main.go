// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command lint is golangci-lint with kube-api-linter built in: what
// "golangci-lint custom" would generate, kept as a module of its own so that
// the product's go.mod stays clean.
package main

import (
	"fmt"
	"os"

	"github.com/golangci/golangci-lint/v2/pkg/commands"
	"github.com/golangci/golangci-lint/v2/pkg/exitcodes"

	_ "sigs.k8s.io/kube-api-linter"
)

func main() {
	if err := commands.Execute(commands.BuildInfo{Version: "v2", Commit: "none", Date: "none"}); err != nil {
		fmt.Fprintln(os.Stderr, "lint:", err)
		os.Exit(exitcodes.Failure)
	}
}
