// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// An error would be tried again ever later; who gives the right must not wait for that.
func TestAMissingRightIsMissing(t *testing.T) {
	reader := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			return apierrors.NewForbidden(corev1.Resource("secrets"), key.Name, nil)
		}}).Build()
	site := &v1alpha1.Site{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus"}}
	site.Spec.ProbeAccount = &v1alpha1.LocalRef{Name: "looker"}
	live := &liveSite{reader: reader, site: site}
	secrets, err := live.secrets(t.Context())
	if err != nil || len(secrets) > 0 {
		t.Fatalf("%v, %v", secrets, err)
	}
	want := "the right to read Secret looker (Site campus, spec.probeAccountSecretRef; see config/site)"
	if got := strings.Join(live.missing, "; "); got != want {
		t.Errorf("missing: %s\nwant: %s", got, want)
	}
}
