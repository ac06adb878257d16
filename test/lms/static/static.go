// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package static is the second container of the web pod. What it must be told
// changes with the release of the database, not with its own.
package static

import (
	"fmt"
	"io"
	"net/http"

	"github.com/gradus-lms/gradus/test/lms/schema"
	"github.com/gradus-lms/gradus/test/lms/setting"

	"github.com/gradus-lms/gradus/test/lms/release"
)

// DocumentRoot is the setting that fits a release.
func DocumentRoot(name string) string {
	if release.Less(name, "2.0") {
		return "/srv/campus"
	}
	return "/srv/campus/public"
}

const style = "body{font-family:sans-serif;max-width:60rem;margin:auto}header{padding:1rem 0}.notice{color:#444}\n"

// Handler serves the style sheet, if the setting fits.
func Handler(settings *setting.Store, documentRoot string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /static/style.css", func(w http.ResponseWriter, r *http.Request) {
		all, err := settings.Cached(r.Context())
		if err != nil {
			http.Error(w, "Site is not available", http.StatusServiceUnavailable)
			return
		}
		state := schema.StateOf(all)
		if documentRoot != DocumentRoot(state.Release) {
			http.Error(w, fmt.Sprintf("document root %q does not fit release %s", documentRoot, state.Release),
				http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = io.WriteString(w, style)
	})
	return mux
}
