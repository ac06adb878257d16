// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	interval = 250 * time.Millisecond
	patience = 5 * time.Second
)

// look is what one request saw.
type look struct {
	At string `json:"at"`
	// Saw is a release, "page" for the holding page, or what went wrong.
	Saw  string `json:"saw"`
	Took int64  `json:"ms"`
}

// door asks the site what it is, a new connection each time, as a user does
// who has just come. Slow answers do not hold up the next request.
func door(url, page string) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	for range time.Tick(interval) {
		go func() {
			began := time.Now()
			saw := ask(client, url, page)
			say(look{At: began.UTC().Format(time.RFC3339Nano), Saw: saw, Took: time.Since(began).Milliseconds()})
		}()
	}
}

// ask sorts one answer.
func ask(client *http.Client, url, page string) string {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/site-info", nil)
	if err != nil {
		return err.Error()
	}
	response, err := client.Do(request)
	if err != nil {
		return "no answer: " + err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return "broken answer: " + err.Error()
	}
	switch {
	case response.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), page):
		return "page"
	case response.StatusCode != http.StatusOK:
		return fmt.Sprintf("%d %s", response.StatusCode, first(string(body)))
	}
	var info struct {
		Release string `json:"release"`
		Pending bool   `json:"pending"`
	}
	switch err := json.Unmarshal(body, &info); {
	case err != nil || info.Release == "":
		return "200, but not the site: " + first(string(body))
	case info.Pending:
		return "200, but code and database differ"
	}
	return info.Release
}

func first(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s[:min(len(s), 120)]
}
