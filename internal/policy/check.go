// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package policy checks that the admission policies which Gradus ships are in
// force: several of its laws are kept by them alone, so that it does not start
// without.
package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Mend is the command that puts the policies in force.
const Mend = "kubectl apply -k config/admission"

// ErrNotInForce says that a policy or binding is missing or was changed.
var ErrNotInForce = errors.New("admission policies of Gradus are not in force as shipped")

// Check compares the policies and bindings of the cluster with those shipped.
// The error names each that is missing or differs, and the command that mends
// it; it wraps ErrNotInForce. Give it a reader without a cache.
func Check(ctx context.Context, reader client.Reader) error {
	shipped, err := Shipped()
	if err != nil {
		return err
	}
	var wrong []string
	for _, want := range shipped {
		objection, err := compare(ctx, reader, want)
		if err != nil {
			return fmt.Errorf("read %s: %w", describe(want), err)
		}
		if objection != "" {
			wrong = append(wrong, describe(want)+" "+objection)
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %s; mend it with: %s", ErrNotInForce, strings.Join(wrong, "; "), Mend)
	}
	return nil
}

// compare says what is wrong with the live object, if anything.
func compare(ctx context.Context, reader client.Reader, want client.Object) (string, error) {
	live, ok := want.DeepCopyObject().(client.Object)
	if !ok {
		return "", fmt.Errorf("%T is no object", want)
	}
	err := reader.Get(ctx, client.ObjectKeyFromObject(want), live)
	switch {
	case apierrors.IsNotFound(err):
		return "is missing", nil
	case meta.IsNoMatchError(err):
		return "cannot exist: this API server does not serve its kind", nil
	case err != nil:
		return "", err
	case live.GetDeletionTimestamp() != nil:
		return "is being deleted", nil
	}
	wanted, err := Hash(want)
	if err != nil {
		return "", err
	}
	found, err := Hash(live)
	if err != nil {
		return "", err
	}
	if wanted != found {
		return fmt.Sprintf("differs (spec %s, shipped %s)", found[:12], wanted[:12]), nil
	}
	return "", nil
}

// Hash is the sha256 of a policy's or binding's spec, with the defaults of the
// API server filled in.
func Hash(object client.Object) (string, error) {
	var spec any
	switch o := object.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		spec = defaultValidating(o.Spec)
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		spec = o.Spec
	case *admissionv1.MutatingAdmissionPolicy:
		spec = defaultMutating(o.Spec)
	case *admissionv1.MutatingAdmissionPolicyBinding:
		spec = o.Spec
	default:
		return "", fmt.Errorf("%T is neither a policy nor a binding", object)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func describe(object client.Object) string {
	kind := strings.TrimPrefix(fmt.Sprintf("%T", object), "*v1.")
	return kind + " " + object.GetName()
}
