// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/schema"
)

func runInstall(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	password := set.String("admin-password", "pw-admin", "password of the administrator")
	ifNeeded := set.Bool("if-needed", false, "do nothing when installed already")
	wait := set.Duration("wait", 0, "wait so long for the database")
	if err := parse(set, args); err != nil {
		return err
	}
	if err := a.open(ctx); err != nil {
		return err
	}
	if err := a.db.Wait(ctx, max(*wait, time.Second)); err != nil {
		return err
	}
	err := a.upgrader(a.out).Install(ctx, *password)
	if errors.Is(err, schema.ErrInstalled) && *ifNeeded {
		a.say("Installed already.")
		return nil
	}
	return err
}

func runUpgrade(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	isPending := set.Bool("is-pending", false, "only say whether an upgrade is pending")
	check := set.Bool("check", false, "only say whether the upgrade could start")
	nonInteractive := set.Bool("non-interactive", false, "ask nothing")
	if err := parse(set, args); err != nil {
		return err
	}
	if *isPending {
		return a.sayPending(ctx)
	}
	if *check {
		return a.checkGates(ctx)
	}
	if !*nonInteractive && !a.confirmed() {
		return codeError
	}
	err := a.upgrader(a.out).Upgrade(ctx)
	var refused *schema.RefusedError
	if errors.As(err, &refused) {
		return a.refuse(refused.Reasons)
	}
	return err
}

func (a *app) sayPending(ctx context.Context) error {
	state, err := a.state(ctx)
	if err != nil {
		return err
	}
	switch {
	case state.OlderCode(a.code):
		return a.refuse([]string{schema.OlderCodeReason(a.code, state)})
	case state.Pending(a.code, a.disk):
		a.complain("An upgrade is pending.")
		return codePending
	}
	a.complain("No upgrade needed for the installed version %s.", a.code)
	return nil
}

func (a *app) checkGates(ctx context.Context) error {
	state, err := a.state(ctx)
	if err != nil {
		return err
	}
	reasons, err := schema.Gates(ctx, a.db, state, a.code, a.disk)
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		return a.refuse(reasons)
	}
	a.say("The upgrade from %s (%d) to %s can start.", state.Release, state.Version, a.code)
	return nil
}

func (a *app) refuse(reasons []string) error {
	for _, reason := range reasons {
		a.complain("%s", reason)
	}
	return codeError
}

func (a *app) confirmed() bool {
	a.say("Your database is about to be upgraded to %s. Type y to go on.", a.code)
	line, _ := bufio.NewReader(a.in).ReadString('\n')
	return strings.TrimSpace(line) == "y"
}

type coreVersion struct {
	Release string `json:"release"`
	Version int64  `json:"version"`
}

type versionReport struct {
	Code        coreVersion  `json:"code"`
	Database    *coreVersion `json:"database,omitempty"`
	Installed   bool         `json:"installed"`
	Pending     bool         `json:"pending"`
	Upgrading   bool         `json:"upgrading"`
	LockedUntil int64        `json:"lockedUntil"`
	Savepoint   int          `json:"savepoint"`
}

func runVersion(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	asJSON := set.Bool("json", false, "print JSON")
	if err := parse(set, args); err != nil {
		return err
	}
	report := versionReport{Code: coreVersion{a.code.Name, a.code.Version}}
	state, err := a.anyState(ctx)
	if err == nil && state.Installed {
		report.Database = &coreVersion{state.Release, state.Version}
		report.Installed = true
		report.Pending = state.Pending(a.code, a.disk)
		report.Upgrading = state.Locked(time.Now())
		report.LockedUntil, report.Savepoint = state.LockedUntil, state.Savepoint
	}
	if *asJSON {
		if jsonErr := a.sayJSON(report); jsonErr != nil {
			return jsonErr
		}
		return err
	}
	a.say("Code: %s", a.code)
	if report.Database != nil {
		a.say("Database: %s (%d)", report.Database.Release, report.Database.Version)
	}
	return err
}

// anyState reads the state of a site that need not be installed.
func (a *app) anyState(ctx context.Context) (schema.State, error) {
	if err := a.open(ctx); err != nil {
		return schema.State{}, err
	}
	if err := a.db.Ping(ctx); err != nil {
		return schema.State{}, err
	}
	return schema.Read(ctx, a.db)
}

func runPlugins(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	asJSON := set.Bool("json", false, "print JSON")
	if err := parse(set, args); err != nil {
		return err
	}
	stored, err := plugin.Versions(ctx, a.db)
	if err != nil && !database.IsMissing(err) {
		return err
	}
	entries := plugin.Compare(a.code, a.disk, stored)
	if *asJSON {
		return a.sayJSON(entries)
	}
	for _, e := range entries {
		a.say("%s\t%d\t%d\t%s\t%s", e.Component, e.VersionDisk, e.VersionDatabase, e.Source, e.Status)
	}
	return nil
}

// shipped is one plugin that the image brings.
type shipped struct {
	Component    string        `json:"component"`
	Version      int64         `json:"version"`
	Source       plugin.Source `json:"source"`
	Requires     string        `json:"requires,omitempty"`
	Incompatible string        `json:"incompatible,omitempty"`
}

// runManifest lists what the image brings. It asks no database: it is for
// those who have the image and no site yet.
func runManifest(_ context.Context, a *app, args []string) error {
	if err := parse(a.flags(), args); err != nil {
		return err
	}
	list := make([]shipped, 0, len(a.disk))
	for _, m := range a.disk {
		list = append(list, shipped{m.Component, m.Version, m.Source, m.Requires, m.Incompatible})
	}
	slices.SortFunc(list, func(x, y shipped) int { return strings.Compare(x.Component, y.Component) })
	return a.sayJSON(list)
}
