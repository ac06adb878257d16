// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/internal/policy"
)

// started: names of controllers and metrics belong to a process, not to a manager.
var started bool

func TestTheManagerDoesNotStartWithoutThePolicies(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("left out: the start of the manager needs KUBEBUILDER_ASSETS (make test sets it)")
	}
	if started {
		t.Skip("left out: one process starts one manager")
	}
	started = true
	admin := serve(t)
	t.Setenv("GRADUS_CANARY_SERVICE_HOST", "127.0.0.1")
	t.Setenv("GRADUS_CANARY_SERVICE_PORT", "8090")
	shipped, err := policy.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	last := shipped[len(shipped)-1]

	for _, role := range []string{RoleMain, RoleProduction} {
		refused(t, role, last.GetName()+" is missing")
	}
	for _, o := range shipped[:len(shipped)-1] {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range []string{RoleMain, RoleProduction} {
		refused(t, role, last.GetName()+" is missing; mend it with")
	}
	if err := admin.Create(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	looksAtTheSite(t, admin)
}

func options(role string) Options {
	return Options{Role: role, Probes: "0", Metrics: "0", Canary: "0", Image: "gradus:test"}
}

// refused wants that a manager ends by itself, and says why.
func refused(t *testing.T, role, says string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := Run(ctx, options(role))
	if !errors.Is(err, policy.ErrNotInForce) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: want it refused with %q, got %v", role, says, err)
	}
}

// looksAtTheSite runs a manager until it has written what it thinks of a site,
// which no manager that was refused did.
func looksAtTheSite(t *testing.T, admin client.WithWatch) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var sites v1alpha1.SiteList
	if err := admin.List(ctx, &sites); err != nil || len(sites.Items) != 1 || len(sites.Items[0].Status.Conditions) > 0 {
		t.Fatalf("want one site that nobody looked at, got %v, %v", sites.Items, err)
	}
	changes, err := admin.Watch(ctx, &v1alpha1.SiteList{},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: sites.ResourceVersion}})
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, options(RoleMain)) }()
	for looked := false; !looked; {
		select {
		case change := <-changes.ResultChan():
			site, ok := change.Object.(*v1alpha1.Site)
			looked = ok && len(site.Status.Conditions) > 0
		case err := <-ended:
			t.Fatalf("with all policies in force it ended: %v", err)
		case <-ctx.Done():
			t.Fatal("with all policies in force it looked at nothing for a minute")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("told to stop, it ended with %v", err)
	}
}

// serve starts an API server that holds a site, and makes it the one that the
// manager finds, under the manager's own account.
func serve(t *testing.T) client.WithWatch {
	t.Helper()
	server := &envtest.Environment{ErrorIfCRDPathMissing: true, CRDDirectoryPaths: []string{
		"../../config/crd/bases", "../../test/rights/testdata/snapshot-crds.yaml",
	}}
	config, err := server.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	account := envtest.User{Name: "system:serviceaccount:gradus-system:gradus-manager", Groups: []string{"system:masters"}}
	user, err := server.AddUser(account, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", path)

	admin, err := client.NewWithWatch(config, client.Options{Scheme: controllers.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile("../../config/samples/minimal/site.yaml"); err != nil {
		t.Fatal(err)
	}
	site := &v1alpha1.Site{}
	if err := yaml.Unmarshal(text, site); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: site.Namespace}}
	for _, o := range []client.Object{namespace, site} {
		if err := admin.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	return admin
}
