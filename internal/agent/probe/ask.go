// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"crypto/sha1" //nolint:gosec // Moodle names its files so
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gradus-lms/gradus/internal/task"
)

// maxBody bounds what is kept of an answer; its digests are of all of it.
const maxBody = 8 << 20

type answer struct {
	status       int
	header       http.Header
	body         []byte
	sha1, sha256 string
}

// redirects says whether the answer leads elsewhere.
func (a answer) redirects() bool {
	return a.status >= 300 && a.status <= 399 && a.header.Get("Location") != ""
}

// ask sends a request and follows redirects when it is to.
func (c *client) ask(ctx context.Context, r task.Request) (answer, error) {
	if r.Fresh {
		c.cookies = map[string]string{}
	}
	method, path := r.Method, c.fill(r.Path)
	if method == "" {
		method = http.MethodGet
	}
	body, form := c.fill(r.Body), ""
	if r.Form != nil {
		v := url.Values{}
		for k, t := range r.Form {
			v.Set(k, c.fill(t))
		}
		body, form = v.Encode(), "application/x-www-form-urlencoded"
	}
	for range 11 {
		a, err := c.send(ctx, method, path, body, form, r.Header)
		if err != nil || !r.Follow || !a.redirects() {
			return a, err
		}
		if path, err = c.location(path, a.header.Get("Location")); err != nil {
			return a, err
		}
		if a.status != http.StatusTemporaryRedirect && a.status != http.StatusPermanentRedirect {
			method, body, form = http.MethodGet, "", ""
		}
	}
	return answer{}, errRedirects
}

// location keeps us on the site: a redirect elsewhere is an answer about another site.
func (c *client) location(from, to string) (string, error) {
	base, err := c.base.Parse(from)
	if err != nil {
		return "", fmt.Errorf("read path %s: %w", from, err)
	}
	u, err := base.Parse(to)
	if err != nil {
		return "", fmt.Errorf("read redirect %s: %w", to, err)
	}
	if u.Host != c.base.Host && u.Host != c.spec.Host {
		return "", fmt.Errorf("leads to another host, %s", u.Host)
	}
	return u.RequestURI(), nil
}

func (c *client) send(ctx context.Context, method, path, body, form string, header map[string]string) (answer, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return answer{}, err
	}
	if form != "" {
		req.Header.Set("Content-Type", form)
	}
	for k, v := range header {
		req.Header.Set(k, c.fill(v))
	}
	// A jar of our own: the LMS believes in a public https name while we speak
	// to a Service by plain HTTP, and a browser's rules would drop its cookies.
	for k, v := range c.cookies {
		req.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	for _, k := range resp.Cookies() {
		if k.MaxAge < 0 || k.Value == "" {
			delete(c.cookies, k.Name)
			continue
		}
		c.cookies[k.Name] = k.Value
	}
	return read(resp)
}

// request makes one to the site, with what every request of ours has.
func (c *client) request(ctx context.Context, method, path, body string) (*http.Request, error) {
	u, err := c.base.Parse(path)
	if err != nil {
		return nil, fmt.Errorf("read path %s: %w", path, err)
	}
	if u.Host != c.base.Host {
		return nil, fmt.Errorf("the path %s names another host", path)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if c.spec.Host != "" {
		req.Host = c.spec.Host
	}
	if c.spec.ForwardedProto != "" {
		req.Header.Set("X-Forwarded-Proto", c.spec.ForwardedProto)
	}
	req.Header.Set("User-Agent", "gradus-agent")
	return req, nil
}

func read(resp *http.Response) (answer, error) {
	s1, s2 := sha1.New(), sha256.New() //nolint:gosec // see the import
	all := io.TeeReader(resp.Body, io.MultiWriter(s1, s2))
	body, err := io.ReadAll(io.LimitReader(all, maxBody))
	if err == nil {
		_, err = io.Copy(io.Discard, all)
	}
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	text := func(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
	return answer{resp.StatusCode, resp.Header, body, text(s1), text(s2)}, nil
}
