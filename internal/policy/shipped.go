// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/config/admission"
)

// Shipped returns the policies and bindings of config/admission.
func Shipped() ([]client.Object, error) {
	names, err := fs.Glob(admission.Files, "*.yaml")
	if err != nil {
		return nil, err
	}
	var objects []client.Object
	for _, name := range names {
		text, err := admission.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		read, err := decode(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, read...)
	}
	return objects, nil
}

// decode reads the documents of one file, and nothing that it does not know.
func decode(text []byte) ([]client.Object, error) {
	var objects []client.Object
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		var kind metav1.TypeMeta
		if err := sigsyaml.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		object := empty(kind)
		if object == nil {
			return nil, fmt.Errorf("%s %s is neither a policy nor a binding", kind.APIVersion, kind.Kind)
		}
		if err := sigsyaml.UnmarshalStrict(document, object); err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}

func empty(kind metav1.TypeMeta) client.Object {
	if kind.APIVersion != admissionv1.SchemeGroupVersion.String() {
		return nil
	}
	switch kind.Kind {
	case "ValidatingAdmissionPolicy":
		return &admissionv1.ValidatingAdmissionPolicy{}
	case "ValidatingAdmissionPolicyBinding":
		return &admissionv1.ValidatingAdmissionPolicyBinding{}
	case "MutatingAdmissionPolicy":
		return &admissionv1.MutatingAdmissionPolicy{}
	case "MutatingAdmissionPolicyBinding":
		return &admissionv1.MutatingAdmissionPolicyBinding{}
	}
	return nil
}
