// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command campus is the learning management system of Gradus' tests.
// CONTRACT.md says what may be relied on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"

	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/schema"
)

// command is one verb of the command line.
type command struct {
	run func(context.Context, *app, []string) error
	// free commands run while the site is being upgraded; all others refuse.
	free bool
	// graceful commands end their work when they are asked to stop; all others
	// die at once and leave what they hold, as scripts do.
	graceful bool
}

var commands = map[string]command{
	"anonymise":    {run: runAnonymise},
	"checks":       {run: runChecks},
	"copy-self":    {run: runCopySelf, free: true},
	"cron":         {run: runCron, graceful: true},
	"install":      {run: runInstall, free: true},
	"maintenance":  {run: runMaintenance, free: true},
	"manifest":     {run: runManifest, free: true},
	"neutralise":   {run: runNeutralise},
	"pg-entry":     {run: runPGEntry, free: true},
	"plugins":      {run: runPlugins},
	"purge-caches": {run: runPurgeCaches},
	"rewrite-url":  {run: runRewriteURL},
	"seed":         {run: runSeed},
	"serve":        {run: runServe, free: true, graceful: true},
	"settings":     {run: runSettings},
	"sidecar":      {run: runSidecar, free: true, graceful: true},
	"smtp-catcher": {run: runCatcher, free: true, graceful: true},
	"stats":        {run: runStats},
	"tasks":        {run: runTasks},
	"upgrade":      {run: runUpgrade},
	"version":      {run: runVersion, free: true},
}

// exit ends the process with a code; what there was to say has been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// Codes of the command line.
const (
	codeError   exit = 1
	codeUsage   exit = 2
	codePending exit = 2
	codeNotSet  exit = 3
	codeHard    exit = 4
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

func run(
	ctx context.Context, args []string, getenv func(string) string, in io.Reader, out, errOut io.Writer,
) int {
	path := config.DefaultPath
	if value := getenv("CAMPUS_CONFIG"); value != "" {
		path = value
	}
	global := flag.NewFlagSet("campus", flag.ContinueOnError)
	global.SetOutput(errOut)
	global.Usage = func() { usage(errOut) }
	global.StringVar(&path, "config", path, "configuration file")
	if err := global.Parse(args); err != nil {
		return int(codeUsage)
	}
	cmd, found := commands[global.Arg(0)]
	if !found {
		usage(errOut)
		return int(codeUsage)
	}
	if cmd.graceful {
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
		defer stop()
	}
	a, err := newApp(path, getenv, in, out, errOut)
	if err == nil {
		defer a.close()
		err = a.dispatch(ctx, global.Arg(0), cmd, global.Args()[1:])
	}
	return a.report(err)
}

// report says what went wrong and turns it into an exit code.
func (a *app) report(err error) int {
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, schema.ErrLocked):
		a.sayLocked()
	default:
		_, _ = fmt.Fprintf(a.errOut, "Error: %v\n", err)
	}
	return int(codeError)
}

func usage(w io.Writer) {
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	sort.Strings(names)
	_, _ = fmt.Fprintf(w, "usage: campus [--config FILE] COMMAND [flags]\ncommands: %s\n", strings.Join(names, " "))
}
