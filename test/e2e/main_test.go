// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package e2e tells stories on a real cluster: GRADUS_E2E=1, KUBECONFIG, and
// Gradus installed (make test-e2e does all of it).
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/hack/demo/world"
)

// The cluster, as the people of the stories see it.
var admin, planner, owner *world.World

var keep = flag.Bool("keep", false, "leave the namespaces of the stories")

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("GRADUS_E2E") == "" {
		fmt.Println("testing: warning: no tests to run") // plain `go test ./...` says so of the package
		fmt.Println("left out: end-to-end stories need a cluster (make cluster-up test-e2e, or GRADUS_E2E=1 and KUBECONFIG)")
		return
	}
	if err := connect(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// connect opens the cluster of KUBECONFIG and loads the test site's images, if
// that is a local cluster of ours.
func connect() error {
	ctx, stop := context.WithTimeoutCause(context.Background(), 5*time.Minute, errors.New("5 minutes were not enough"))
	defer stop()
	options := world.Options{Kubeconfig: os.Getenv("KUBECONFIG"), Current: true}
	state := filepath.Dir(filepath.Dir(options.Kubeconfig))
	if _, err := os.Stat(filepath.Join(state, "status.json")); err == nil {
		options.State, options.Current = state, false
	}
	var err error
	if admin, err = world.Open(ctx, options); err != nil {
		return err
	}
	if err := admin.SiteImages(ctx); err != nil {
		return err
	}
	if err := admin.Available(ctx, world.SystemNamespace, "gradus-manager"); err != nil {
		return err
	}
	if planner, err = admin.As(ctx, "planner", "lms-planners"); err != nil {
		return err
	}
	owner, err = admin.As(ctx, "owner", "lms-owners")
	return err
}

// within gives a context that ends with the story or after a time.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("%s were not enough", limit))
	t.Cleanup(stop)
	return ctx
}

// namespace makes a namespace for one story, and removes one that an earlier
// run left.
func namespace(t *testing.T, name string) string {
	t.Helper()
	clearAway(t, name)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := admin.Create(t.Context(), ns); err != nil {
		t.Fatalf("create Namespace %s: %v", name, err)
	}
	t.Cleanup(func() {
		if !*keep && !t.Failed() {
			clearAway(t, name)
		}
	})
	return name
}

// clearAway removes a story's namespace with all that was made for it.
func clearAway(t *testing.T, name string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
	defer stop()
	if err := admin.Clear(ctx, name); err != nil {
		t.Fatal(err)
	}
}

// remove deletes an object and waits until it is gone.
func remove(ctx context.Context, t *testing.T, obj client.Object) {
	t.Helper()
	if err := admin.Remove(ctx, obj); err != nil {
		t.Fatal(err)
	}
}

// impersonate gives the cluster as a service account sees it.
func impersonate(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	config := rest.CopyConfig(admin.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused checks that an attempt failed, with these words in the answer.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("want a refusal with %q, and it was allowed", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("want %q in the refusal, got: %v", w, err)
		}
	}
}
