// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const jobs = "/apis/batch/v1/namespaces/campus/jobs"

// server counts what arrives.
func server(t *testing.T) (url string, arrived *[]string) {
	t.Helper()
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
		_, _ = io.WriteString(w, `{"answer":1}`)
	}))
	t.Cleanup(s.Close)
	return s.URL, &got
}

func send(t *testing.T, p *Process, method, url, body string) (string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := p.Wrap(http.DefaultTransport).RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.Status + " " + string(content), err
}

func TestRequestsAreNamedAndNumbered(t *testing.T) {
	url, _ := server(t)
	g := New()
	g.Normalise = func(s string) string { return strings.ReplaceAll(s, "campus", "SITE") }
	p := g.Process("manager")
	for _, request := range [][2]string{
		{"GET", jobs}, {"GET", jobs + "/hop-1-0a1b2c3d"}, {"POST", jobs},
		{"PATCH", "/apis/lms.gradus.dev/v1alpha1/namespaces/campus/golives/go/status"},
		{"PATCH", "/apis/lms.gradus.dev/v1alpha1/namespaces/campus/golives/go/status"},
		{"DELETE", "/api/v1/namespaces/copy-r7f3e9d20aa"}, {"PUT", "/api/v1/namespaces/copy/finalize"},
	} {
		body := ""
		if request[0] == "POST" {
			body = `{"metadata":{"name":"dump-1-77777777"}}`
		}
		if _, err := send(t, p, request[0], url+request[1], body); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, c := range g.Trace() {
		got = append(got, c.Site)
	}
	want := []string{
		"manager list jobs SITE/", "manager get jobs SITE/hop-1-*", "manager create jobs SITE/dump-1-*",
		"manager patch golives/status SITE/go", "manager patch golives/status SITE/go",
		"manager delete namespaces /copy-r*", "manager update namespaces/finalize /copy",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if last := g.Trace()[4]; last.N != 2 || last.Seq != 5 || !last.Write {
		t.Errorf("the second status write is %+v", last)
	}
}

func TestFaults(t *testing.T) {
	const site = "manager create jobs campus/x"
	tests := map[Kind]struct {
		arrives, dead bool
		says          string
	}{
		CrashBefore: {dead: true},
		CrashAfter:  {arrives: true, dead: true},
		LostAnswer:  {arrives: true},
		Answer403:   {says: "403"}, Answer409: {says: "409"}, Answer429: {says: "429"},
		Answer500: {says: "500"}, Answer503: {says: "503"},
		Delay: {arrives: true, says: "200"},
		Squat: {arrives: true, says: "200"},
		Stale: {arrives: true, says: "200"}, Missed: {arrives: true, says: "200"},
		TimeTravel: {arrives: true, dead: true},
	}
	for kind, want := range tests {
		t.Run(string(kind), func(t *testing.T) {
			url, arrived := server(t)
			happened := false
			g := New(Fault{Call: site, N: 2, Kind: kind})
			g.Rival = func(Kind, Call, []byte) { happened = true }
			g.Pause = func() { happened = true }
			lagged := false
			g.Lag = func(got Kind, call Call) { lagged = got == kind && call.Site == site && len(*arrived) == 1 }
			p := g.Process("manager")
			post := func() (string, error) { return send(t, p, "POST", url+jobs, `{"metadata":{"name":"x"}}`) }
			if _, err := post(); err != nil || len(g.Unfired()) != 1 {
				t.Fatalf("the first request is let through: %v", err)
			}
			said, err := post()
			if (len(*arrived) == 2) != want.arrives || p.Dead() != want.dead || !strings.HasPrefix(said, want.says) {
				t.Errorf("%d arrived, dead %v, %q, %v", len(*arrived), p.Dead(), said, err)
			}
			if (want.says == "") != (err != nil) || len(g.Unfired()) != 0 {
				t.Errorf("error %v, unfired %v", err, g.Unfired())
			}
			var lost net.Error
			if kind == LostAnswer && (!errors.As(err, &lost) || !lost.Timeout()) {
				t.Errorf("%v is no timeout", err)
			}
			if _, err = post(); want.dead != errors.Is(err, Dead) {
				t.Errorf("afterwards: %v", err)
			}
			if happened != (kind == Delay || kind == Squat) {
				t.Errorf("happened: %v", happened)
			}
			if lagged != slices.Contains([]Kind{Stale, Missed, TimeTravel}, kind) {
				t.Errorf("lagged, before it arrived: %v", lagged)
			}
		})
	}
}

func TestViewsThatMayLag(t *testing.T) {
	for _, test := range []struct {
		kind Kind
		call Call
		want bool
	}{
		{Missed, Call{Process: "manager", Resource: "sitebackups"}, true},
		{Missed, Call{Process: "manager", Resource: "statefulsets"}, true},
		{Missed, Call{Process: "manager", Resource: "configmaps"}, false},
		{Missed, Call{Process: "manager", Resource: "networkpolicies"}, false},
		{Missed, Call{Process: "watchdog", Resource: "deployments"}, false},
		{Stale, Call{Process: "manager", Resource: "configmaps"}, true},
		{Stale, Call{Process: "watchdog", Resource: "leases"}, false},
		{TimeTravel, Call{Process: "watchdog", Resource: "leases"}, false},
		{Sleeper, Call{Process: "production", Resource: "leases"}, true},
		{Squat, Call{Process: "production", Verb: "create", Resource: "persistentvolumeclaims", Site: "SITE/files"}, false},
		{Squat, Call{Process: "production", Verb: "create", Resource: "persistentvolumeclaims", Site: "SITE/files-r*"}, true},
		{Squat, Call{Process: "production", Verb: "create", Resource: "persistentvolumeclaims", Site: "SITE/files-replaced-*"}, true},
	} {
		test.call.Write = true
		if got := test.kind.Fits(test.call); got != test.want {
			t.Errorf("%s fits %+v: %v", test.kind, test.call, got)
		}
	}
}

// Reads are refused, and nothing else: at the 1st time, the 2nd, the 4th.
func TestReadsThatAreRefused(t *testing.T) {
	for n, want := range map[int]bool{1: true, 2: true, 3: false, 4: true, 6: false, 64: true} {
		if got := Blind403.Fits(Call{N: n}); got != want {
			t.Errorf("at time %d: %v", n, got)
		}
	}
	if Blind503.Fits(Call{N: 1, Write: true}) || CrashAfter.Fits(Call{N: 1}) || Stale.Fits(Call{N: 1}) {
		t.Error("a write is no read")
	}
	if got := answer(&http.Request{}, Blind403).StatusCode; got != http.StatusForbidden {
		t.Errorf("answered %d", got)
	}
}

func TestWhatWasAnsweredIsSeenAndHandedOn(t *testing.T) {
	url, _ := server(t)
	g, seen := New(), ""
	g.After = func(_ Call, code int, body []byte) { seen = http.StatusText(code) + string(body) }
	said, err := send(t, g.Process("m"), "POST", url+jobs, `{}`)
	if err != nil || seen != `OK{"answer":1}` || said != `200 OK {"answer":1}` {
		t.Errorf("seen %q, handed on %q, %v", seen, said, err)
	}
}
