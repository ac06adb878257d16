// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gradus-lms/gradus/hack/demo/world"
)

// backLimit is how long what was killed may take to come back. The kubelet waits
// up to five minutes before it starts a container again that ended often.
const backLimit = 7 * time.Minute

// killing is a run of upgrades in which something is killed all the time.
type killing struct {
	*demo
	done []kill
}

// kills tells the upgrade as often as it takes to kill so many times, and wants
// the end state of the demo every time.
func (d *demo) kills(ctx context.Context) error {
	if d.Current {
		return errors.New("only the local cluster is there to be killed")
	}
	k := &killing{demo: d}
	if k.seed == 0 {
		k.seed = uint64(time.Now().Unix())
	}
	d.say("%d kills, one every %s or so; seed %d", k.times, k.every, k.seed)
	first := k.round
	for ; len(k.done) < k.times; k.round++ {
		if err := k.upgradeOnce(ctx); err != nil {
			k.table(k.round)
			return fmt.Errorf("%w\nkills so far:\n%s\nto tell it again: go run ./hack/demo kills "+
				"--seed %d --round %d --every %s --times %d", err, k.list(), k.seed, k.round, k.every, k.of(k.round))
		}
	}
	k.table(0)
	d.say("the end state of the demo after each of %d upgrades; seed %d", k.round-first, k.seed)
	return nil
}

// upgradeOnce brings a new site at 1.0 and upgrades it while kills go on, until
// the plan is over. The claims are looked at when all is back.
func (k *killing) upgradeOnce(ctx context.Context) error {
	k.say("upgrade %d", k.round)
	if err := k.up(ctx); err != nil {
		return err
	}
	all := moments(k.seed, k.round, k.every, patience, victimNames())
	var struck chan error
	stop := func() {}
	err := k.run(ctx, func() {
		var striking context.Context
		striking, stop = context.WithCancel(ctx)
		struck = make(chan error, 1)
		go func() { struck <- k.strikes(striking, k.round, all) }()
	})
	stop()
	if struck != nil {
		err = errors.Join(err, <-struck)
	}
	if err != nil {
		return err
	}
	if err := k.step("all that was killed is back", func() error { return k.back(ctx) }); err != nil {
		return err
	}
	return k.verify(ctx)
}

// back waits until what was killed is there again, and helps nobody.
func (k *killing) back(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, backLimit, errors.New("it does not come back"))
	defer stop()
	for {
		_, err := k.Cluster(ctx, "status")
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(time.Second):
		}
	}
	for _, name := range []string{managerVictim, productionVictim} {
		if err := k.Available(ctx, world.SystemNamespace, name); err != nil {
			return err
		}
	}
	return nil
}

// of counts the kills of a round, at least one.
func (k *killing) of(round int) int {
	n := 0
	for _, one := range k.done {
		if one.round == round {
			n++
		}
	}
	return max(n, 1)
}

func (k *killing) list() string {
	var out []string
	for i, one := range k.done {
		out = append(out, fmt.Sprintf("%3d  %s", i+1, one))
	}
	return strings.Join(out, "\n")
}

// table counts kills by victim, and those that the demo survived: all but those
// of a round that failed.
func (k *killing) table(failed int) {
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "\nVICTIM\tKILLS\tSURVIVED")
	kills, survived := map[string]int{}, map[string]int{}
	for _, one := range k.done {
		for _, name := range []string{one.victim, "in all"} {
			kills[name]++
			if one.round != failed {
				survived[name]++
			}
		}
	}
	for _, name := range append(victimNames(), "in all") {
		fmt.Fprintf(out, "%s\t%d\t%d\n", name, kills[name], survived[name])
	}
	_ = out.Flush()
}
