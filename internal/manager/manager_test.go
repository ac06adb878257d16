// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"bytes"
	"context"
	"flag"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestMainIsToldWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"help":            {[]string{"-h"}, 0, "gradus manager"},
		"an unknown flag": {[]string{"--nothing"}, 2, "not defined"},
		"an unknown role": {[]string{"--role=king"}, 1, `want main or production, got "king"`},
	} {
		var stdout, stderr bytes.Buffer
		if code := Main(t.Context(), c.args, &stdout, &stderr); code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: code %d, %s", name, code, stderr.String())
		}
	}
}

func TestDefaults(t *testing.T) {
	var o Options
	o.bind(flag.NewFlagSet("", flag.ContinueOnError))
	if o.Role != RoleMain || o.Canary == "" || o.LeaderElect {
		t.Errorf("%+v", o)
	}
	if identity(RoleMain) == identity(RoleProduction) {
		t.Error("two roles, one account")
	}
}

func TestInstallation(t *testing.T) {
	for name, c := range map[string]struct {
		role     string
		env      map[string]string
		canaries []string
		fails    string
	}{
		"in a cluster": {RoleMain, map[string]string{
			"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443",
			"GRADUS_CANARY_SERVICE_HOST": "fd00::9", "GRADUS_CANARY_SERVICE_PORT": "8090",
		}, []string{"10.96.0.1:443", "[fd00::9]:8090"}, ""},
		"with half an address":         {RoleMain, map[string]string{"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, nil, "canaries"},
		"with no canary":               {RoleMain, nil, nil, "canaries"},
		"production makes no copies":   {RoleProduction, nil, nil, ""},
		"the image must be known, too": {RoleMain, map[string]string{"image": ""}, nil, "image"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "GRADUS_CANARY_SERVICE_HOST", "GRADUS_CANARY_SERVICE_PORT", "POD_NAME"} {
				t.Setenv(key, c.env[key])
			}
			o := Options{Role: c.role, Image: "gradus:test"}
			if _, ok := c.env["image"]; ok {
				o.Image = ""
			}
			got, err := installation(t.Context(), &rest.Config{}, o)
			if err != nil != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("%v, want %q", err, c.fails)
			}
			if err == nil && (!slices.Equal(got.Canaries, c.canaries) || got.Namespace != "gradus-system" || got.Account != "gradus-manager") {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A pod of a copy that is not closed must find somebody.
func TestTheCanaryAnswersUntilItIsStopped(t *testing.T) {
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- canary{address: address}.Start(ctx) }()
	dialer := net.Dialer{Timeout: time.Second}
	deadline := time.After(10 * time.Second)
	for reached := 0; reached < 2; {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			reached++
			_ = conn.Close()
			continue
		}
		select {
		case <-deadline:
			t.Fatalf("nobody answers: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not stop")
	}
	if (canary{}).NeedLeaderElection() {
		t.Error("only the leader would answer")
	}
}
