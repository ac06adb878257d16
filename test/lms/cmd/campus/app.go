// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
	"github.com/gradus-lms/gradus/test/lms/files"
	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/queue"
	"github.com/gradus-lms/gradus/test/lms/release"
	"github.com/gradus-lms/gradus/test/lms/schema"
	"github.com/gradus-lms/gradus/test/lms/setting"
)

const (
	defaultPluginDir = "/usr/share/campus/plugins"
	defaultLockLife  = 300 * time.Second
)

// app is what every command works with.
type app struct {
	config   config.Config
	faults   fault.Set
	code     release.Release
	disk     map[string]plugin.Manifest
	lockLife time.Duration
	getenv   func(string) string
	in       io.Reader
	out      io.Writer
	errOut   io.Writer

	name string
	db   *database.DB
}

func newApp(path string, getenv func(string) string, in io.Reader, out, errOut io.Writer) (*app, error) {
	a := &app{getenv: getenv, in: in, out: out, errOut: errOut, faults: fault.Load(getenv), lockLife: defaultLockLife}
	var err error
	if a.code, err = release.Code(); err != nil {
		return a, err
	}
	if a.config, err = config.Load(path, getenv); err != nil {
		return a, err
	}
	dir := getenv("CAMPUS_PLUGIN_DIR")
	if dir == "" {
		dir = defaultPluginDir
	}
	if a.disk, err = plugin.OnDisk(a.code, dir); err != nil {
		return a, err
	}
	if text := getenv("CAMPUS_LOCK_SECONDS"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return a, fmt.Errorf("parse CAMPUS_LOCK_SECONDS: %w", err)
		}
		a.lockLife = time.Duration(seconds) * time.Second
	}
	return a, nil
}

func (a *app) dispatch(ctx context.Context, name string, cmd command, args []string) error {
	a.name = name
	if !cmd.free && !asksForHelp(args) {
		if err := a.open(ctx); err != nil {
			return err
		}
		state, err := a.state(ctx)
		if err != nil {
			return err
		}
		if state.Locked(time.Now()) {
			return schema.ErrLocked
		}
	}
	return cmd.run(ctx, a, args)
}

func asksForHelp(args []string) bool {
	for _, arg := range args {
		if arg == "-h" || arg == "--help" {
			return true
		}
	}
	return false
}

// open makes the pool without asking the server anything.
func (a *app) open(ctx context.Context) error {
	if a.db != nil {
		return nil
	}
	var err error
	a.db, err = database.Open(ctx, a.config.Database, "campus "+a.name)
	return err
}

func (a *app) close() {
	if a.db != nil {
		a.db.Close()
	}
}

// state reads where the database stands; a site must be installed.
func (a *app) state(ctx context.Context) (schema.State, error) {
	if err := a.db.Ping(ctx); err != nil {
		return schema.State{}, err
	}
	state, err := schema.Read(ctx, a.db)
	if err == nil && !state.Installed {
		return state, schema.ErrNotInstalled
	}
	return state, err
}

func (a *app) settings() *setting.Store {
	return setting.New(a.db, a.config.HardSettings, setting.Cache{Dir: filepath.Join(a.config.DataRoot, "cache")})
}

func (a *app) files() files.Store { return files.Store{Root: a.config.DataRoot} }

func (a *app) upgrader(out io.Writer) *schema.Upgrader {
	return &schema.Upgrader{
		DB: a.db, Settings: a.settings(), Code: a.code, Disk: a.disk,
		Faults: a.faults, LockLife: a.lockLife, Out: out,
	}
}

func (a *app) worker() *queue.Worker {
	return &queue.Worker{
		DB: a.db, Settings: a.settings(), Files: a.files(), Config: a.config,
		Faults: a.faults, Client: &http.Client{}, Out: a.out,
	}
}

func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format+"\n", args...) }

func (a *app) complain(format string, args ...any) {
	_, _ = fmt.Fprintf(a.errOut, format+"\n", args...)
}

func (a *app) sayLocked() { a.say("!!! Site is being upgraded, please retry later. !!!") }

func (a *app) sayJSON(value any) error { return json.NewEncoder(a.out).Encode(value) }

// flags makes a flag set that reports to the error stream.
func (a *app) flags() *flag.FlagSet {
	set := flag.NewFlagSet("campus "+a.name, flag.ContinueOnError)
	set.SetOutput(a.errOut)
	return set
}

// parse reads flags; anything left over is a mistake.
func parse(set *flag.FlagSet, args []string) error {
	if err := set.Parse(args); err != nil {
		return codeUsage
	}
	if set.NArg() > 0 {
		set.Usage()
		return codeUsage
	}
	return nil
}

func runCopySelf(_ context.Context, a *app, args []string) error {
	if len(args) != 1 {
		a.complain("usage: campus copy-self FILE")
		return codeUsage
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("copy myself: %w", err)
	}
	from, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("copy myself: %w", err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("copy myself: %w", err)
	}
	_, err = io.Copy(to, from)
	if closeErr := to.Close(); err == nil {
		err = closeErr
	}
	return err
}
