// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/gradus-lms/gradus/test/lms/files"
)

var layout = template.Must(template.New("layout").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<link rel="stylesheet" href="/static/style.css"></head>
<body{{with .UserID}} data-user-id="{{.}}"{{end}}>
<header><a href="/">Campus</a></header>
<main><h1>{{.Title}}</h1>
{{with .Notice}}<p class="notice">{{.}}</p>{{end}}
{{with .LoginToken}}<form method="post" action="/login">
<input type="hidden" name="logintoken" value="{{.}}">
<label>Username <input name="username"></label>
<label>Password <input name="password" type="password"></label>
<button>Log in</button></form>{{end}}
{{with .Links}}<ul>{{range .}}<li><a href="{{.URL}}">{{.Text}}</a></li>{{end}}</ul>{{end}}
{{range .Articles}}<article><h2>{{.Heading}}</h2><p>{{.Text}}</p></article>{{end}}
</main></body></html>
`))

type link struct{ URL, Text string }

type article struct{ Heading, Text string }

type content struct {
	Title      string
	Notice     string
	UserID     int64
	LoginToken string
	Links      []link
	Articles   []article
}

func show(w http.ResponseWriter, c content) error {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Frame-Options", "sameorigin")
	return layout.Execute(w, c)
}

func showJSON(w http.ResponseWriter, value any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(value)
}

// home answers 200 whatever the versions are: it proves nothing.
func (s *Server) home(w http.ResponseWriter, _ *http.Request, v view) error {
	s.heat("home")
	return show(w, content{
		Title: v.name,
		Links: []link{{"/login", "Log in"}, {"/my", "Dashboard"}},
	})
}

// siteInfo is what apps ask before they sign in.
func (s *Server) siteInfo(w http.ResponseWriter, _ *http.Request, v view) error {
	return showJSON(w, map[string]any{
		"release":         s.Code.Name,
		"databaseVersion": v.state.Release,
		"pending":         v.pending,
		"maintenance":     files.Maintenance{Root: s.Config.DataRoot}.Enabled(),
		"baseURL":         s.Config.BaseURL,
	})
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	_ = showJSON(w, map[string]int64{
		"requests": s.requests.Load(), "errors": s.failures.Load(), "cacheMisses": s.coldPages.Load(),
	})
}
