// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command demo takes a live site from 1.0 to 2.0 on a real cluster and proves
// what it claims. Every command ends with code 0 only if all went well, and
// can be run again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gradus-lms/gradus/hack/demo/world"
)

const usage = `usage: go run ./hack/demo COMMAND [flags]
  up        cluster, images, the live site at 1.0, Gradus, rights and the Site
  upgrade   one plan, all 18 steps; a second person approves; then verify
  verify    compare the site with what it was before the upgrade
  rollback  back to 1.0: the planner asks, the second person confirms the price; then compare
  all       up and upgrade
  kills     up and upgrade again and again, with kill -9 of operator and cluster
  down      remove what the demo made; with --cluster the local cluster, too
flags:`

// demo is one run of one command.
type demo struct {
	world.Options
	*world.World
	began   time.Time
	cluster bool
	// What kills asks for.
	times, round int
	seed         uint64
	every        time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	d := &demo{began: time.Now()}
	flags.StringVar(&d.State, "state", "", "state folder of the local cluster, if it is not the default one")
	flags.BoolVar(&d.Current, "current", false, "use the cluster of the kubeconfig at hand; its images must be there")
	flags.BoolVar(&d.cluster, "cluster", false, "down: the local cluster, too")
	flags.IntVar(&d.times, "times", 50, "kills: how many")
	flags.Uint64Var(&d.seed, "seed", 0, "kills: draws victims and moments; 0 for another each time")
	flags.IntVar(&d.round, "round", 1, "kills: the upgrade to begin with, to tell one again")
	flags.DurationVar(&d.every, "every", 30*time.Second, "kills: the time between two of them, more or less")
	flags.Usage = func() {
		fmt.Fprintln(os.Stderr, usage)
		flags.PrintDefaults()
	}
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	do, ok := map[string]func(context.Context) error{
		"up": d.up, "upgrade": d.upgrade, "verify": d.verify, "rollback": d.rollback, "down": d.down,
		"all": d.all, "kills": d.kills,
	}[command]
	if err := flags.Parse(args); err != nil || !ok {
		if !ok {
			flags.Usage()
		}
		return 2
	}
	if err := do(ctx); err != nil {
		d.say("FAILED: %v", err)
		return 1
	}
	return 0
}

func (d *demo) all(ctx context.Context) error {
	if err := d.up(ctx); err != nil {
		return err
	}
	return d.upgrade(ctx)
}

// say prints one line with the time since the command began.
func (d *demo) say(format string, args ...any) {
	fmt.Printf("%7s  %s\n", time.Since(d.began).Round(time.Second), fmt.Sprintf(format, args...))
}

// connect opens the cluster, if that is not done.
func (d *demo) connect(ctx context.Context) error {
	if d.World != nil {
		return nil
	}
	w, err := world.Open(ctx, d.Options)
	d.World = w
	return err
}

// step does one thing and says how long it took.
func (d *demo) step(what string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	d.say("%-58s %6s", what, time.Since(began).Round(100*time.Millisecond))
	return nil
}
