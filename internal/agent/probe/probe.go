// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package probe asks an LMS over HTTP and compares the answers with what they
// should be: a status code alone proves nothing.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// client is one conversation: one set of cookies, one set of variables.
type client struct {
	spec    task.Probe
	base    *url.URL
	http    *http.Client
	cookies map[string]string
	vars    map[string]string
}

// Run does all requests. It fails when a blocking check failed.
func Run(ctx context.Context, spec task.Probe, p *evidence.Page) error {
	c, err := open(spec, p)
	if err != nil {
		return err
	}
	defer c.http.CloseIdleConnections()
	if spec.WaitFor > 0 {
		if err := c.await(ctx, p); err != nil {
			return err
		}
	}
	passed := 0
	for _, r := range spec.Requests {
		if missing := c.missing(r); missing != "" {
			p.Find(task.Warning, "CheckSkipped", r.Name, "%s: not asked, since %s is not known", r.Name, missing)
			continue
		}
		took, wrong := c.timed(ctx, r)
		p.Fact(r.Name+".ms", strconv.FormatInt(took.Milliseconds(), 10))
		if ctx.Err() != nil {
			return task.Fail(task.DeadlineExceeded, "the checks were not over at the deadline, at %s", r.Name)
		}
		if wrong == nil {
			passed++
			p.Progress("%s: passed in %d ms", r.Name, took.Milliseconds())
			continue
		}
		severity := r.Severity
		if severity == "" {
			severity = task.Blocking
		}
		p.Find(severity, task.CheckFailed, r.Name, "%s: %v", r.Name, wrong)
		p.Progress("%s: %v", r.Name, wrong)
	}
	p.Fact("passed", strconv.Itoa(passed))
	p.Fact("checks", strconv.Itoa(len(spec.Requests)))
	if p.Blocked > 0 {
		return task.Fail(p.First.Code, "%s (%d of %d checks failed)", p.First.Message, p.Blocked, len(spec.Requests))
	}
	return nil
}

// timed checks a request and how long the answer took.
func (c *client) timed(ctx context.Context, r task.Request) (took time.Duration, wrong error) {
	began := time.Now()
	wrong = c.check(ctx, r)
	took = time.Since(began)
	if wrong == nil && r.Max > 0 && took > time.Duration(r.Max) {
		wrong = fmt.Errorf("took %s, at most %s is acceptable", took.Round(time.Millisecond), time.Duration(r.Max))
	}
	return took, wrong
}

// Value asks once and gives the first group of expr in the body.
func Value(ctx context.Context, spec task.Probe, r task.Request, expr string, p *evidence.Page) (string, error) {
	c, err := open(spec, p)
	if err != nil {
		return "", err
	}
	defer c.http.CloseIdleConnections()
	a, err := c.ask(ctx, r)
	if err != nil {
		return "", task.FailBecause(err, "SiteUnreachable", "the site does not answer")
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return "", fmt.Errorf("compile %q: %w", expr, err)
	}
	m := re.FindSubmatch(a.body)
	if len(m) < 2 {
		return "", task.Fail(task.VersionUnknown, "the answer of %s (HTTP %d) does not tell the version", r.Path, a.status)
	}
	return string(m[1]), nil
}

func open(spec task.Probe, p *evidence.Page) (*client, error) {
	base, err := url.Parse(spec.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, task.Fail(task.InvalidTask, "%q is not an address such as http://campus-web", spec.BaseURL)
	}
	c := &client{spec: spec, base: base, cookies: map[string]string{}, vars: map[string]string{}}
	for k, v := range spec.Variables {
		c.vars[k] = v
	}
	for k, f := range spec.VariableFiles {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, task.FailBecause(err, "CredentialsMissing", "read %s", k)
		}
		c.vars[k] = strings.TrimSpace(string(b))
		p.Add(c.vars[k])
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: spec.InsecureTLS,
	} //nolint:gosec // asked for by name
	if spec.Host != "" {
		config.ServerName, _, _ = strings.Cut(spec.Host, ":")
	}
	if spec.CAFile != "" {
		pem, err := os.ReadFile(spec.CAFile)
		if err != nil {
			return nil, task.FailBecause(err, "CredentialsMissing", "read the certificate authority")
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, task.Fail(task.InvalidTask, "%s has no certificate", spec.CAFile)
		}
	}
	c.http = &http.Client{
		Timeout:       2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		// No proxy: what the environment of the pod says must not decide which site is proven.
		Transport: &http.Transport{TLSClientConfig: config, Proxy: nil, DisableCompression: false,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext},
	}
	return c, nil
}

// await repeats the first request until it passes: pods take time to start.
func (c *client) await(ctx context.Context, p *evidence.Page) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.spec.WaitFor))
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	first, said := c.spec.Requests[0], ""
	for {
		err := c.check(ctx, first)
		if err == nil {
			return nil
		}
		if err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			p.Progress("waiting: %s", said)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return task.Fail("SiteUnreachable", "the site did not come up within %s: %s: %s",
				time.Duration(c.spec.WaitFor), first.Name, said)
		}
	}
}

var variable = regexp.MustCompile(`\{([a-zA-Z][a-zA-Z0-9_]*)\}`)

// missing names a variable that the request needs and nobody captured.
func (c *client) missing(r task.Request) string {
	texts := []string{r.Path, r.Expect.BodySHA1, r.Expect.BodySHA256, r.Body}
	for _, m := range []map[string]string{r.Form, r.Header} {
		for _, v := range m {
			texts = append(texts, v)
		}
	}
	for _, t := range texts {
		for _, m := range variable.FindAllStringSubmatch(t, -1) {
			if _, ok := c.vars[m[1]]; !ok {
				return m[1]
			}
		}
	}
	for _, n := range r.Needs {
		if _, ok := c.vars[n]; !ok {
			return n
		}
	}
	return ""
}

// fill puts variables into a text, once: a value is never looked through again.
func (c *client) fill(s string) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		if v, ok := c.vars[m[1:len(m)-1]]; ok {
			return v
		}
		return m
	})
}

var errRedirects = errors.New("more than ten redirects")
