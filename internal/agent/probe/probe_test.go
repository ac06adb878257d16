// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// campus is a site that believes in its public https name.
func campus(t *testing.T) *httptest.Server {
	t.Helper()
	blob := []byte("content")
	sum := sha1.Sum(blob)
	name := hex.EncodeToString(sum[:])
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "S", Value: "anonymous", Secure: true, Domain: "campus.example", Path: "/"})
		fmt.Fprint(w, `<title>Log in</title><input name="logintoken" value="abc&amp;1">`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("S")
		if err != nil || c.Value != "anonymous" || r.PostFormValue("logintoken") != "abc&1" ||
			r.PostFormValue("password") != "geheim" {
			http.Redirect(w, r, "/login?error=1", http.StatusSeeOther)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "S", Value: "smoke", Secure: true})
		http.Redirect(w, r, "https://campus.example/my", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /my", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("S"); err != nil || c.Value != "smoke" || r.Host != "campus.example" ||
			r.Header.Get("X-Forwarded-Proto") != "https" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		fmt.Fprintf(w, `<title>Dashboard</title><a href="/file/%s">`, name)
	})
	mux.HandleFunc("GET /file/{name}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(blob) })
	mux.HandleFunc("GET /away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
	})
	mux.HandleFunc(
		"GET /loop",
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) },
	)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func probe(t *testing.T, password string, extra ...task.Request) (task.Result, string, error) {
	t.Helper()
	dir, log := t.TempDir(), &bytes.Buffer{}
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	book, err := evidence.Open(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	err = Run(context.Background(), task.Probe{BaseURL: campus(t).URL, Host: "campus.example", ForwardedProto: "https",
		VariableFiles: map[string]string{"password": file}, Requests: append([]task.Request{
			{Name: "login", Path: "/login", Capture: map[string]string{"token": `name="logintoken" value="([^"]+)"`}},
			{
				Name:   "sign-in",
				Method: "POST",
				Path:   "/login",
				Form:   map[string]string{"username": "smoke", "password": "{password}", "logintoken": "{token}"},
				Expect: task.Expect{Status: []int{303}, Header: map[string]string{"Location": "/my$"}},
			},
			{
				Name:    "dashboard",
				Path:    "/my",
				Expect:  task.Expect{Title: "^Dashboard$"},
				Capture: map[string]string{"blob": "/file/([0-9a-f]{40})"},
			},
			{Name: "file", Path: "/file/{blob}", Expect: task.Expect{BodySHA1: "{blob}"}},
		}, extra...)}, book.Page("smoke"))
	return book.Result(), log.String(), err
}

func TestLoginFlow(t *testing.T) {
	r, _, err := probe(t, "geheim")
	if err != nil || r.Facts["smoke.passed"] != "4" {
		t.Errorf("%v %v", err, r)
	}
}

func TestAWrongPasswordIsFoundAndWhatFollowsIsSkipped(t *testing.T) {
	r, log, err := probe(t, "wrong-word")
	if task.ReasonOf(err, "") != task.CheckFailed {
		t.Fatalf("error is %v", err)
	}
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Component+":"+f.Code)
	}
	if strings.Join(got, " ") != "sign-in:CheckFailed dashboard:CheckFailed file:CheckSkipped" {
		t.Errorf("findings are %v", got)
	}
	if strings.Contains(log, "wrong-word") {
		t.Error("the password was printed")
	}
}

func TestExpectations(t *testing.T) {
	for name, c := range map[string]struct {
		request task.Request
		says    string
	}{
		"a page that lacks a text":          {task.Request{Path: "/login", Expect: task.Expect{Contains: []string{"Dashboard"}}}, "lacks"},
		"a page that has a text":            {task.Request{Path: "/login", Expect: task.Expect{Lacks: []string{"Log in"}}}, "must not"},
		"another title":                     {task.Request{Path: "/login", Expect: task.Expect{Title: "^Dash"}}, `title is "Log in"`},
		"a redirect to another host":        {task.Request{Path: "/away", Follow: true}, "another host"},
		"a loop":                            {task.Request{Path: "/loop", Follow: true}, "ten redirects"},
		"a status that is not the wanted":   {task.Request{Path: "/none"}, "HTTP 404, expected 200"},
		"another content":                   {task.Request{Path: "/login", Expect: task.Expect{BodySHA1: strings.Repeat("0", 40)}}, "damaged"},
		"a path that is an address":         {task.Request{Path: "//elsewhere.example/x"}, "another host"},
		"a header that should not be there": {task.Request{Path: "/login", Expect: task.Expect{Header: map[string]string{"Content-Type": ""}}}, "expected none"},
	} {
		t.Run(name, func(t *testing.T) {
			c.request.Name, c.request.Fresh = "x", true
			_, _, err := probe(t, "geheim", c.request)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want %q", err, c.says)
			}
		})
	}
}
