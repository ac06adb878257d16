// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// cluster speaks to the API server that the tests of this package share.
var cluster client.Client

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("testing: warning: no tests to run") // plain `go test ./...` says so of the package
		fmt.Println("left out: tests of the API's rules need KUBEBUILDER_ASSETS (make test sets it)")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	server := &envtest.Environment{CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := server.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start of the API server:", err)
		return 1
	}
	defer func() { _ = server.Stop() }()
	config.QPS, config.Burst = 500, 500
	if cluster, err = client.New(config, client.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		return 1
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "campus"}}
	if err := cluster.Create(context.Background(), namespace); err != nil {
		fmt.Fprintln(os.Stderr, "namespace:", err)
		return 1
	}
	return m.Run()
}

// object reads YAML and puts it into the namespace of the tests.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	o.SetNamespace("campus")
	return o
}

// with replaces parts of a document; every part must be there.
func with(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic("no " + pairs[i] + " in " + text)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// documents is a table of what people apply; an empty answer is a welcome.
type documents map[string]struct{ text, refused string }

func (rows documents) run(t *testing.T) {
	t.Helper()
	for sentence, row := range rows {
		t.Run(sentence, func(t *testing.T) {
			judge(t, cluster.Create(t.Context(), object(t, row.text), client.DryRunAll), row.refused)
		})
	}
}

// changes is a table of JSON merge patches to one stored document.
type changes map[string]struct{ patch, refused string }

func (rows changes) run(t *testing.T, text string) {
	t.Helper()
	stored := store(t, text)
	for sentence, row := range rows {
		t.Run(sentence, func(t *testing.T) {
			patch := client.RawPatch(types.MergePatchType, []byte(row.patch))
			judge(t, cluster.Patch(t.Context(), stored.DeepCopy(), patch, client.DryRunAll), row.refused)
		})
	}
}

// store creates a document for the time of a test.
func store(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	stored := object(t, text)
	if err := cluster.Create(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Delete(context.Background(), stored) })
	return stored
}

func judge(t *testing.T, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Fatalf("was refused: %v", err)
	case refused != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), refused)):
		t.Fatalf("want a refusal with %q, got %v", refused, err)
	}
}
