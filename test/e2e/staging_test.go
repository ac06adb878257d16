// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// enterStaging goes the way that docs/spec/stagingenvironment.md shows, and
// must find the target there.
func enterStaging(t *testing.T, plan *v1alpha1.UpgradePlan) {
	t.Helper()
	var env v1alpha1.StagingEnvironment
	key := client.ObjectKey{Namespace: plan.Namespace, Name: plan.Status.Staging}
	if err := admin.Get(t.Context(), key, &env); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	address, err := admin.Forward(ctx, env.Status.Namespace, "campus-web", 80)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) []byte {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatalf("ask staging for %s: %v", path, err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("ask staging for %s: %s, %v: %.200s", path, response.Status, err, body)
		}
		return body
	}
	var info struct {
		Release string
		Pending bool
	}
	if err := json.Unmarshal(get("/api/site-info"), &info); err != nil || info.Release != plan.Spec.Target.Version || info.Pending {
		t.Errorf("want staging at %s with nothing pending, got %+v, %v", plan.Spec.Target.Version, info, err)
	}
	has(t, string(get("/login")), "password")
}
