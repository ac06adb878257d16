// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package web is the site as users see it.
package web

import (
	"context"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/gradus-lms/gradus/test/lms/account"
	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/fault"
	"github.com/gradus-lms/gradus/test/lms/files"
	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/release"
	"github.com/gradus-lms/gradus/test/lms/schema"
	"github.com/gradus-lms/gradus/test/lms/setting"
)

// Server answers requests.
type Server struct {
	DB       *database.DB
	Settings *setting.Store
	Config   config.Config
	Files    files.Store
	Secret   account.Secret
	Code     release.Release
	Disk     map[string]plugin.Manifest
	Faults   fault.Set
	Static   *url.URL // the second container

	warm                          warmth
	requests, failures, coldPages atomic.Int64
}

// view is what one request knows of the site.
type view struct {
	state   schema.State
	pending bool
	name    string
}

type page func(http.ResponseWriter, *http.Request, view) error

// Handler routes the pages.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /metrics-lite", s.metrics)
	for pattern, show := range map[string]page{
		"GET /{$}":                 s.home,
		"GET /login":               s.loginForm,
		"POST /login":              s.login,
		"GET /api/site-info":       s.siteInfo,
		"GET /static/":             s.static,
		"GET /my":                  s.signedIn(s.dashboard),
		"GET /grades":              s.signedIn(s.grades),
		"GET /course/{id}":         s.signedIn(s.course),
		"POST /course/{id}/file":   s.signedIn(s.upload),
		"GET /file/{hash}":         s.signedIn(s.file),
		"POST /file/{hash}/delete": s.signedIn(s.deleteFile),
		"GET /quiz/{id}":           s.signedIn(s.quiz),
		"POST /quiz/{id}/attempt":  s.signedIn(s.attempt),
		"POST /forum/{id}":         s.signedIn(s.post),
		"/":                        s.notFound,
	} {
		mux.Handle(pattern, s.gate(show))
	}
	return mux
}

// gate decides whether the site answers at all, in the order of a real one:
// maintenance needs no database, the lock needs one.
func (s *Server) gate(show page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if (files.Maintenance{Root: s.Config.DataRoot}).Enabled() {
			w.Header().Set("Retry-After", "300")
			s.refuse(w, http.StatusServiceUnavailable, "This site is under maintenance")
			return
		}
		settings, err := s.Settings.Cached(r.Context())
		if err != nil {
			s.refuse(w, http.StatusServiceUnavailable, "Site is not available")
			return
		}
		state := schema.StateOf(settings)
		if state.Locked(time.Now()) {
			s.refuse(w, http.StatusInternalServerError, "Site is being upgraded")
			return
		}
		if !state.Installed {
			s.refuse(w, http.StatusServiceUnavailable, "Site is not available")
			return
		}
		s.slowDown(r)
		err = show(w, r, view{state: state, pending: state.Pending(s.Code, s.Disk), name: settings["site_name"]})
		s.answerError(w, err)
	})
}

func (s *Server) refuse(w http.ResponseWriter, status int, text string) {
	s.failures.Add(1)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	text = html.EscapeString(text)
	_, _ = io.WriteString(w, "<!doctype html><title>"+text+"</title><p>"+text+".</p>\n")
}

var errNotFound = errors.New("not found")

func (s *Server) answerError(w http.ResponseWriter, err error) {
	switch {
	case err == nil:
	case errors.Is(err, errNotFound):
		s.refuse(w, http.StatusNotFound, "Not found")
	default:
		s.refuse(w, http.StatusInternalServerError, "Error: "+err.Error())
	}
}

// static hands on to the second container: when that is set up for another
// release, users see it here.
func (s *Server) static(w http.ResponseWriter, r *http.Request, _ view) error {
	if s.Static == nil {
		return errNotFound
	}
	httputil.NewSingleHostReverseProxy(s.Static).ServeHTTP(w, r)
	return nil
}

func (s *Server) notFound(http.ResponseWriter, *http.Request, view) error { return errNotFound }

// slowDown is the fault of a page that became slow.
func (s *Server) slowDown(r *http.Request) {
	delay := s.Faults.DelayBelow(fault.PageSlow, r.URL.Path)
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// Listen serves until the context ends, then lets running requests finish.
func Listen(ctx context.Context, address string, handler http.Handler, ready func(net.Addr)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	ready(listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
