// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/gradus-lms/gradus/test/lms/account"
	"github.com/gradus-lms/gradus/test/lms/catcher"
	"github.com/gradus-lms/gradus/test/lms/pgentry"
	"github.com/gradus-lms/gradus/test/lms/static"
	"github.com/gradus-lms/gradus/test/lms/web"
)

func (a *app) listening(what string) func(net.Addr) {
	return func(address net.Addr) { a.say("%s listens on %s", what, address) }
}

func runServe(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	listen := set.String("listen", ":8080", "address")
	behind := set.String("static", "http://127.0.0.1:8081", "where the second container is")
	if err := parse(set, args); err != nil {
		return err
	}
	if err := a.open(ctx); err != nil {
		return err
	}
	staticURL, err := url.Parse(*behind)
	if err != nil {
		return fmt.Errorf("parse --static: %w", err)
	}
	secret, err := account.LoadSecret(a.config.DataRoot)
	if err != nil {
		return err
	}
	server := &web.Server{
		DB: a.db, Settings: a.settings(), Config: a.config, Files: a.files(), Secret: secret,
		Code: a.code, Disk: a.disk, Faults: a.faults, Static: staticURL,
	}
	return web.Listen(ctx, *listen, server.Handler(), a.listening("campus "+a.code.Name))
}

func runSidecar(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	listen := set.String("listen", ":8081", "address")
	if err := parse(set, args); err != nil {
		return err
	}
	if err := a.open(ctx); err != nil {
		return err
	}
	handler := static.Handler(a.settings(), a.getenv("DOCUMENT_ROOT"))
	return web.Listen(ctx, *listen, handler, a.listening("sidecar"))
}

func runCatcher(ctx context.Context, a *app, args []string) error {
	set := a.flags()
	smtp := set.String("smtp", ":1025", "address for mail")
	http := set.String("http", ":8025", "address for counts and webhooks")
	if err := parse(set, args); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *smtp)
	if err != nil {
		return err
	}
	a.say("smtp listens on %s", listener.Addr())
	box := &catcher.Catcher{}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 2)
	go func() { failed <- box.ServeSMTP(ctx, listener) }()
	go func() { failed <- web.Listen(ctx, *http, box.Handler(), a.listening("http")) }()
	return <-failed
}

func runPGEntry(ctx context.Context, a *app, args []string) error {
	if os.Geteuid() == 0 {
		return fmt.Errorf("pg-entry: PostgreSQL refuses to run as root")
	}
	entry, err := pgentry.FromEnvironment(a.getenv)
	if err != nil {
		return err
	}
	return entry.Run(ctx, args)
}
