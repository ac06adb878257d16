// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

// check asks and compares; the error is the first thing that is wrong.
func (c *client) check(ctx context.Context, r task.Request) error {
	a, err := c.ask(ctx, r)
	if err != nil {
		return err
	}
	if err := c.fits(a, r.Expect); err != nil {
		return err
	}
	for name, expr := range r.Capture {
		re, err := regexp.Compile(expr)
		if err != nil {
			return fmt.Errorf("compile %q: %w", expr, err)
		}
		m := re.FindSubmatch(a.body)
		if len(m) < 2 {
			return fmt.Errorf("the page does not have the %s that later checks need", name)
		}
		c.vars[name] = html.UnescapeString(string(m[1]))
	}
	return nil
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// fits gives the first thing about an answer that is not as expected.
func (c *client) fits(a answer, e task.Expect) error {
	for _, wrong := range []func(answer, task.Expect) error{
		wrongStatus, c.wrongText, wrongTitle, wrongHeader, c.wrongDigest,
	} {
		if err := wrong(a, e); err != nil {
			return err
		}
	}
	return nil
}

func wrongStatus(a answer, e task.Expect) error {
	want := e.Status
	if len(want) == 0 {
		want = []int{200}
	}
	if !slices.Contains(want, a.status) {
		return fmt.Errorf("HTTP %d, expected %s%s", a.status, numbers(want), hint(a))
	}
	return nil
}

func (c *client) wrongText(a answer, e task.Expect) error {
	for _, t := range e.Contains {
		if !bytes.Contains(a.body, []byte(c.fill(t))) {
			return fmt.Errorf("the page lacks %q", c.fill(t))
		}
	}
	for _, t := range e.Lacks {
		if bytes.Contains(a.body, []byte(c.fill(t))) {
			return fmt.Errorf("the page has %q, which it must not", c.fill(t))
		}
	}
	for _, expr := range e.Match {
		if ok, err := regexp.Match(expr, a.body); err != nil || !ok {
			return fmt.Errorf("the page does not match %q", expr)
		}
	}
	return nil
}

func wrongTitle(a answer, e task.Expect) error {
	if e.Title == "" {
		return nil
	}
	got := pageTitle(a.body)
	if ok, err := regexp.MatchString(e.Title, got); err != nil || !ok {
		return fmt.Errorf("the page's title is %q, expected %q", message.Clip(got, 80), e.Title)
	}
	return nil
}

func wrongHeader(a answer, e task.Expect) error {
	for name, expr := range e.Header {
		got := a.header.Get(name)
		if expr == "" && got != "" {
			return fmt.Errorf("the header %s is %q, expected none", name, got)
		}
		if ok, err := regexp.MatchString(expr, got); err != nil || !ok {
			return fmt.Errorf("the header %s is %q, expected %q", name, got, expr)
		}
	}
	return nil
}

func (c *client) wrongDigest(a answer, e task.Expect) error {
	if w := c.fill(e.BodySHA1); w != "" && w != a.sha1 {
		return fmt.Errorf("the content is damaged: sha1 %s, expected %s", a.sha1, w)
	}
	if w := c.fill(e.BodySHA256); w != "" && w != a.sha256 {
		return fmt.Errorf("the content is damaged: sha256 %s, expected %s", a.sha256, w)
	}
	return nil
}

func pageTitle(body []byte) string {
	m := title.FindSubmatch(body)
	if m == nil {
		return ""
	}
	return strings.TrimSpace(html.UnescapeString(string(m[1])))
}

// hint is what a person needs besides the number.
func hint(a answer) string {
	if l := a.header.Get("Location"); l != "" {
		return ", leads to " + message.Clip(l, 120)
	}
	if t := pageTitle(a.body); t != "" {
		return ", the page says " + fmt.Sprintf("%q", message.Clip(t, 80))
	}
	return ""
}

func numbers(n []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(n), "[]"), " ", " or ")
}
