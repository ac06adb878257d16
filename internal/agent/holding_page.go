// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// page is for people who meet a closed door and do not know why.
const page = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Back soon</title>
<style>
body{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color:#1d2733;background:#fff}
@media (prefers-color-scheme:dark){body{color:#e6e9ee;background:#14181d}}</style></head>
<body><main><h1>Back soon</h1><p>This site is being upgraded. Nothing that you saved is lost.</p>
<p>Please try again later.</p></main></body></html>
`

// holdingPage serves instead of the LMS while its doors are closed.
func holdingPage(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("holding-page", flag.ContinueOnError)
	listen := f.String("listen", ":8080", "address to listen on")
	file := f.String("file", "", "HTML file to show, instead of our own page")
	retry := f.Duration("retry-after", 5*time.Minute, "what browsers and programs are told to wait")
	const usage = "Answers every request with 503 and a page; /healthz with 200."
	if code, done := parse(f, usage, args, stdout, stderr); done {
		return code
	}
	body := []byte(page)
	if *file != "" {
		b, err := os.ReadFile(*file)
		if err != nil {
			fmt.Fprintf(stderr, "gradus agent holding-page: read page: %v\n", err)
			return 1
		}
		body = b
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s := &http.Server{Addr: *listen, Handler: holding(body, *retry), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 16 << 10}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServe() }()
	fmt.Fprintf(stdout, "holding page on %s\n", *listen)
	select {
	case err := <-done:
		fmt.Fprintf(stderr, "gradus agent holding-page: %v\n", err)
		return 1
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil && !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintf(stderr, "gradus agent holding-page: %v\n", err)
		return 1
	}
	return 0
}

// holding answers. 503 with Retry-After keeps search engines and apps from
// taking the page for the site.
func holding(body []byte, retry time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			_, _ = io.WriteString(w, "ok\n")
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Retry-After", strconv.Itoa(int(retry.Seconds())))
		h.Set("X-Gradus", "holding-page")
		w.WriteHeader(http.StatusServiceUnavailable)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body)
		}
	})
}
