// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command gradus is one static binary: the managers, the watchdog and the
// agent inside Jobs.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	// Windows are read in the Site's time zone, and our image has no zone files.
	_ "time/tzdata"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/gradus-lms/gradus/internal/agent"
	"github.com/gradus-lms/gradus/internal/manager"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

const usage = `gradus takes a learning management system from the version it runs to the one it should run.

Usage: gradus COMMAND [flags]

  manager    run the controllers: --role=main (plans, copies, reads) or --role=production (go-live, rollback)
  watchdog   open a site again when nobody holds it any more
  agent      do one task inside a Job

Every command explains itself with --help.
`

func main() { os.Exit(run(ctrl.SetupSignalHandler(), os.Args[1:], os.Stdout, os.Stderr)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	switch args[0] {
	case "manager":
		return manager.Main(ctx, args[1:], stdout, stderr)
	case "watchdog":
		return watchdog.Main(ctx, args[1:], stdout, stderr)
	case "agent":
		return agent.Main(ctx, args[1:], stdout, stderr)
	case "help", "-h", "--help":
		fmt.Fprint(stdout, usage)
		return 0
	}
	fmt.Fprintf(stderr, "gradus: unknown command %q\n\n%s", args[0], usage)
	return 2
}
