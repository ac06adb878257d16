// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser keeps cookies and follows no redirect.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
}

// answer is what came back.
type answer struct {
	status   int
	location string
	header   http.Header
	body     string
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, base: base, client: &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	response, err := b.client.Get(b.base + path)
	return b.read(response, err)
}

func (b *browser) post(path string, form url.Values) answer {
	b.t.Helper()
	response, err := b.client.PostForm(b.base+path, form)
	return b.read(response, err)
}

func (b *browser) upload(path, content string) answer {
	b.t.Helper()
	response, err := b.client.Post(b.base+path, "application/octet-stream", strings.NewReader(content))
	return b.read(response, err)
}

func (b *browser) read(response *http.Response, err error) answer {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header.Get("Location"), response.Header, string(body)}
}

var loginToken = regexp.MustCompile(`name="logintoken" value="([0-9a-f]+)"`)

// signIn fills in the form and says where it led to.
func (b *browser) signIn(name, password string) string {
	b.t.Helper()
	form := b.get("/login")
	match := loginToken.FindStringSubmatch(form.body)
	if form.status != http.StatusOK || match == nil {
		b.t.Fatalf("login form: %d %s", form.status, form.body)
	}
	done := b.post("/login", url.Values{"username": {name}, "password": {password}, "logintoken": {match[1]}})
	if done.status != http.StatusSeeOther {
		b.t.Fatalf("login: %d %s", done.status, done.body)
	}
	return done.location
}

// expect gets a page and compares status and text.
func (b *browser) expect(status int, text, path string) {
	b.t.Helper()
	got := b.get(path)
	if got.status != status || !strings.Contains(got.body+got.location, text) {
		b.t.Errorf("GET %s: want %d and %q, got %d %s %s", path, status, text, got.status, got.location, got.body)
	}
}
