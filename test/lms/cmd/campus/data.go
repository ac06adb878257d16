// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"

	"github.com/gradus-lms/gradus/test/lms/neutral"
	"github.com/gradus-lms/gradus/test/lms/release"
	"github.com/gradus-lms/gradus/test/lms/seed"
	"github.com/gradus-lms/gradus/test/lms/setting"
	"github.com/gradus-lms/gradus/test/lms/stats"
)

func runSettings(ctx context.Context, a *app, args []string) error {
	settings := a.settings()
	switch {
	case len(args) == 2 && args[0] == "get":
		value, found, err := settings.Get(ctx, args[1])
		if err != nil {
			return err
		}
		if !found {
			return codeNotSet
		}
		a.say("%s", value)
		return nil
	case len(args) == 3 && args[0] == "set":
		err := settings.Set(ctx, args[1], args[2])
		if errors.Is(err, setting.ErrHard) {
			a.complain("Error: %v", err)
			return codeHard
		}
		return err
	case len(args) >= 1 && args[0] == "list":
		all, err := settings.All(ctx)
		if err != nil {
			return err
		}
		return a.sayJSON(all)
	}
	a.complain("usage: campus settings get NAME | set NAME VALUE | list --json")
	return codeUsage
}

func runNeutralise(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	onlyCheck := set.Bool("check", false, "only say what is not neutral")
	asJSON := set.Bool("json", false, "print JSON")
	sink := set.String("mail-sink", "", "where mail goes instead (host:port)")
	if err := parse(set, args); err != nil {
		return err
	}
	if !*onlyCheck {
		return neutral.Apply(ctx, a.db, a.settings(), *sink)
	}
	found, err := neutral.Check(ctx, a.db, a.settings())
	if err != nil {
		return err
	}
	if *asJSON {
		if err := a.sayJSON(found); err != nil {
			return err
		}
	} else {
		for _, line := range found {
			a.say("%s", line)
		}
	}
	if len(found) > 0 {
		return codeError
	}
	return nil
}

func runAnonymise(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	keep := set.String("keep", "", "accounts to keep, separated by commas")
	if err := parse(set, args); err != nil {
		return err
	}
	return neutral.Anonymise(ctx, a.db, a.settings(), strings.Split(*keep, ","))
}

func runSeed(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	sizeName := set.String("size", "S", "S, M or L")
	number := set.Uint64("seed", 1, "the same number gives the same data")
	ifEmpty := set.Bool("if-empty", false, "do nothing when there are courses already")
	url := set.String("url", a.config.BaseURL, "where links in posts point to")
	if err := parse(set, args); err != nil {
		return err
	}
	size, err := seed.SizeNamed(*sizeName)
	if err != nil {
		a.complain("Error: %v", err)
		return codeUsage
	}
	state, err := a.state(ctx)
	if err != nil {
		return err
	}
	if state.Pending(a.code, a.disk) {
		return errors.New("an upgrade is pending")
	}
	at, err := release.Named(state.Release)
	if err != nil {
		return err
	}
	seeder := &seed.Seeder{DB: a.db, Files: a.files(), Release: at, URL: *url, Size: size, Seed: *number}
	err = seeder.Fill(ctx)
	if errors.Is(err, seed.ErrNotEmpty) && *ifEmpty {
		a.say("Seeded already.")
		return nil
	}
	return err
}

func runStats(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	_ = set.Bool("json", true, "print JSON")
	rehash := set.Bool("hash-files", false, "read every blob")
	if err := parse(set, args); err != nil {
		return err
	}
	report, err := stats.Collect(ctx, a.db, a.files(), *rehash)
	if err != nil {
		return err
	}
	return a.sayJSON(report)
}

// runRewriteURL leaves settings alone, as the tools of real systems do: an
// address that lies there must be set by itself.
func runRewriteURL(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	from := set.String("from", "", "old address")
	to := set.String("to", "", "new address")
	if err := parse(set, args); err != nil {
		return err
	}
	if *from == "" || *to == "" {
		set.Usage()
		return codeUsage
	}
	var total int64
	for _, statement := range []string{
		"UPDATE {forum_posts} SET body = replace(body, $1, $2) WHERE strpos(body, $1) > 0",
		"UPDATE {courses} SET summary = replace(summary, $1, $2) WHERE strpos(summary, $1) > 0",
	} {
		rows, err := a.db.Exec(ctx, statement, *from, *to)
		if err != nil {
			return err
		}
		total += rows
	}
	a.say("== Success == %d rows", total)
	return nil
}
