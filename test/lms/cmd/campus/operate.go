// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/gradus-lms/gradus/test/lms/files"
	"github.com/gradus-lms/gradus/test/lms/queue"
	"github.com/gradus-lms/gradus/test/lms/schema"
)

// runMaintenance ends with 0 whatever happens, as the original does: read what it says.
func runMaintenance(_ context.Context, a *app, args []string) error {
	set := a.flags()
	enable := set.Bool("enable", false, "shut users out")
	disable := set.Bool("disable", false, "let users in")
	_ = set.Parse(args)
	maintenance := files.Maintenance{Root: a.config.DataRoot}
	var err error
	switch {
	case *enable:
		err = maintenance.Enable()
	case *disable:
		err = maintenance.Disable()
	}
	if err != nil {
		a.complain("Error: %v", err)
	}
	a.say("== Maintenance mode (%s) ==", a.config.BaseURL)
	if maintenance.Enabled() {
		a.say("Status: enabled")
	} else {
		a.say("Status: disabled")
	}
	return nil
}

func runCron(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	_ = set.Bool("once", true, "one round")
	keepAlive := set.Duration("keep-alive", 0, "go on with rounds for so long")
	every := set.Duration("every", 10*time.Second, "time between rounds")
	force := set.Bool("force", false, "run although cron is disabled")
	disableWait := set.Duration("disable-wait", 0, "disable cron and wait until none runs")
	enable := set.Bool("enable", false, "enable cron")
	if err := parse(set, args); err != nil {
		return err
	}
	switch {
	case *enable:
		return a.settings().Set(ctx, "cron_enabled", "1")
	case *disableWait > 0:
		if err := a.settings().Set(ctx, "cron_enabled", "0"); err != nil {
			return err
		}
		return a.worker().WaitIdle(ctx, *disableWait)
	}
	end := time.Now().Add(*keepAlive)
	tick := time.NewTicker(*every)
	defer tick.Stop()
	for {
		if err := a.cronRound(ctx, *force); err != nil {
			return err
		}
		if !time.Now().Add(*every).Before(end) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// cronRound asks every time whether cron may run: much can happen between rounds.
func (a *app) cronRound(ctx context.Context, force bool) error {
	state, err := a.state(ctx)
	if err != nil {
		return err
	}
	enabled, _, err := a.settings().Get(ctx, "cron_enabled")
	if err != nil {
		return err
	}
	switch {
	case state.Locked(time.Now()):
		return schema.ErrLocked
	case files.Maintenance{Root: a.config.DataRoot}.Enabled():
		a.say("CLI maintenance mode active, cron execution suspended.")
		return codeError
	case state.Pending(a.code, a.disk):
		a.say("Campus upgrade pending, cron execution suspended.")
		return codeError
	case enabled != "1" && !force:
		a.say("Cron is disabled. Use --force to override.")
		return codeError
	}
	if err := a.worker().Round(ctx); err != nil {
		return err
	}
	a.say("Cron completed at %s.", time.Now().UTC().Format(time.RFC3339))
	return nil
}

func runTasks(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	list := set.Bool("list", false, "list the queue")
	asJSON := set.Bool("json", false, "print JSON")
	required := set.Bool("run-required", false, "run what must run before users come back")
	afterwards := set.Bool("run-afterwards", false, "run what may run afterwards")
	disable := set.String("disable", "", "disable a scheduled task")
	enable := set.String("enable", "", "enable a scheduled task")
	if err := parse(set, args); err != nil {
		return err
	}
	switch {
	case *required:
		return a.drain(ctx, queue.Required)
	case *afterwards:
		return a.drain(ctx, queue.Afterwards)
	case *disable != "":
		return a.switchScheduled(ctx, *disable, true)
	case *enable != "":
		return a.switchScheduled(ctx, *enable, false)
	case *list:
		return a.listTasks(ctx, *asJSON)
	}
	set.Usage()
	return codeUsage
}

func (a *app) drain(ctx context.Context, kind queue.Kind) error {
	if err := a.worker().Drain(ctx, kind); err != nil {
		return err
	}
	// A task that failed before waits for its time, and would go unnoticed.
	tasks, err := queue.List(ctx, a.db)
	if err != nil {
		return err
	}
	left := 0
	for _, task := range tasks {
		if task.Kind == kind {
			a.complain("Error: task %s waits after %d attempts.", task.Class, task.Attempts)
			left++
		}
	}
	if left > 0 {
		return codeError
	}
	a.say("No %s task is left.", kind)
	return nil
}

func (a *app) switchScheduled(ctx context.Context, name string, disabled bool) error {
	rows, err := a.db.Exec(ctx, "UPDATE {scheduled_tasks} SET disabled = $2 WHERE name = $1", name, disabled)
	if err != nil {
		return err
	}
	if rows == 0 {
		a.complain("Error: there is no scheduled task %s.", name)
		return codeError
	}
	return nil
}

func (a *app) listTasks(ctx context.Context, asJSON bool) error {
	tasks, err := queue.List(ctx, a.db)
	if err != nil {
		return err
	}
	if asJSON {
		return a.sayJSON(tasks)
	}
	for _, task := range tasks {
		a.say("%d\t%s\t%s\t%d", task.ID, task.Class, task.Kind, task.Attempts)
	}
	return nil
}

func runPurgeCaches(_ context.Context, a *app, args []string) error {
	if err := parse(a.flags(), args); err != nil {
		return err
	}
	return a.settings().Purge()
}
