// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner of what the demo applies.
const fieldOwner = client.FieldOwner("gradus-demo")

// Render builds a kustomization of the repository.
func (w *World) Render(ctx context.Context, dir string) ([]*unstructured.Unstructured, error) {
	text, err := w.Kubectl(ctx, "kustomize", dir)
	if err != nil {
		return nil, err
	}
	return Decode([]byte(text))
}

// RenderInto builds a kustomization of the test site for another namespace.
func (w *World) RenderInto(ctx context.Context, dir, namespace string) ([]*unstructured.Unstructured, error) {
	text, err := w.Kubectl(ctx, "kustomize", dir)
	if err != nil {
		return nil, err
	}
	text = strings.ReplaceAll(text, "campus-web."+Site+".svc", "campus-web."+namespace+".svc")
	objects, err := Decode([]byte(text))
	for _, o := range objects {
		if o.GetKind() == "Namespace" {
			o.SetName(namespace)
		} else if o.GetNamespace() == Site {
			o.SetNamespace(namespace)
		}
	}
	return objects, err
}

// Decode reads the objects of a YAML stream.
func Decode(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var out []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode YAML: %w", err)
		}
		if len(o.Object) > 0 {
			out = append(out, o)
		}
	}
}

// Put puts objects into the cluster, in their order.
func (w *World) Put(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		err := w.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()), fieldOwner, client.ForceOwnership)
		if err != nil {
			return fmt.Errorf("apply %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
		}
	}
	return nil
}
