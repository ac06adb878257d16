// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package agent is our process inside Jobs: it does in the pod what the
// operator decided, and tells what it saw.
package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
)

// subcommand is one way of calling the agent.
type subcommand struct {
	name, use string
	run       func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

// subcommands in the order in which a pod meets them.
func subcommands() []subcommand {
	return []subcommand{
		{"await-closed", "leave when the network refuses every canary", awaitClosed},
		{"install", "copy this binary into a volume, for a container with another image", install},
		{"run", "do the task in GRADUS_TASK and write its result", run},
		{"report", "print the documents and hand the result to the kubelet", reportResult},
		{"holding-page", "answer every request with 503 and a page for people", holdingPage},
	}
}

// Main runs `gradus agent ARGS` and gives the exit code: 0 done, 1 failed, 2 wrongly called.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, s := range subcommands() {
			if s.name == args[0] {
				return s.run(ctx, args[1:], stdout, stderr)
			}
		}
	}
	out, code := stderr, 2
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
		out, code = stdout, 0
	}
	fmt.Fprint(out, "Usage: gradus agent COMMAND [flags]\n\n")
	for _, s := range subcommands() {
		fmt.Fprintf(out, "  %-13s %s\n", s.name, s.use)
	}
	fmt.Fprint(out, "\nEach command has --help.\n")
	return code
}

// parse reads flags. Its code is the one to leave with when done is true.
func parse(f *flag.FlagSet, about string, args []string, stdout, stderr io.Writer) (code int, done bool) {
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	usage := func(w io.Writer) {
		fmt.Fprintf(w, "Usage: gradus agent %s [flags]\n\n%s\n\n", f.Name(), about)
		f.SetOutput(w)
		f.PrintDefaults()
	}
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		usage(stdout)
		return 0, true
	case err == nil && f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
		fallthrough
	case err != nil:
		fmt.Fprintf(stderr, "gradus agent %s: %v\n\n", f.Name(), err)
		usage(stderr)
		return 2, true
	}
	return 0, false
}
