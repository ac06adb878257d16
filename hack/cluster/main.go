// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command cluster runs a real Kubernetes in a network namespace with no way
// out, for development and tests. See docs/local-cluster.md.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

type command struct {
	name, args, help string
	run              func(Layout, []string) error
}

func commands() []command {
	return []command{
		{"up", "", "start the cluster, or what of it is missing, and return when all is ready", up},
		{"down", "[--keep]", "stop everything and remove every trace; --keep leaves the state folder", down},
		{"status", "", "list the programs, their state and what is wrong", status},
		{"load", "IMAGE.tar...", "put images into the cluster", load},
		{"kubeconfig", "[--raw]", "print the path of the administrator's kubeconfig, or its content", kubeconfig},
		{"logs", "[NAME] [-f]", "print a program's log, or the names; audit and connections print where theirs is", logs},
		{"assets", "", "build etcd, kube-apiserver and kubectl; print the folder for KUBEBUILDER_ASSETS", assets},
		{"build", "", "build everything that up needs", buildAll},
		{"image", "binary|debian", "write an image as a tar that load understands", image},
		{"exec", "-- COMMAND...", "run a command in the cluster's network and mount namespaces", execInside},
		{"kill", "NAME", "kill -9 one program and wait until it is back, or a container by its ID", killOne},
		{"supervise", "", "internal: keep the programs running", supervise},
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return usage()
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
		state := flags.String("state", "/var/lib/gradus-cluster", "folder of the cluster's state; keep it short")
		cache := flags.String("cache", "/var/cache/gradus-cluster", "folder of the built programs and images")
		rest, err := splitFlags(flags, args[1:])
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		if err != nil {
			return err
		}
		layout, err := NewLayout(*state, *cache, sourceFolder())
		if err != nil {
			return err
		}
		return c.run(layout, rest)
	}
	return usage()
}

// splitFlags takes --state and --cache wherever they stand and leaves the
// command's own flags and arguments alone.
func splitFlags(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "--":
			return append(rest, args[i:]...), nil
		case arg == "--state" || arg == "--cache":
			if i+1 == len(args) {
				return nil, fmt.Errorf("%s: a folder is missing", arg)
			}
			err = flags.Parse(args[i : i+2])
			i++
		case len(arg) > 8 && (arg[:8] == "--state=" || arg[:8] == "--cache="):
			err = flags.Parse(args[i : i+1])
		default:
			rest = append(rest, arg)
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func usage() error {
	fmt.Fprintln(os.Stderr, "usage: cluster COMMAND [--state FOLDER] [--cache FOLDER] ...")
	for _, c := range commands() {
		fmt.Fprintf(os.Stderr, "  %-10s %-16s %s\n", c.name, c.args, c.help)
	}
	return errors.New("name a command")
}

// sourceFolder is where this file lies: the components are beside it. The
// supervisor, a copy of this program, is told by its environment.
func sourceFolder() string {
	if folder := os.Getenv(sourceVariable); folder != "" {
		return folder
	}
	if folder, err := os.Getwd(); err == nil {
		if _, err := os.Stat(filepath.Join(folder, "components", "etcd", "go.mod")); err == nil {
			return folder
		}
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
