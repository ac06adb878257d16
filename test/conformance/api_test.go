// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCertificateIsSigned(t *testing.T) {
	ns := namespace(t, "csr")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "someone"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	apply(t, `
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: {{.Name}}}
spec: {request: {{.Request}}, signerName: kubernetes.io/kube-apiserver-client, usages: [client auth]}
`, map[string]string{"Name": ns, "Request": base64.StdEncoding.EncodeToString(request)})
	must(t, "certificate", "approve", ns)
	eventually(t, "certificate", func() error {
		out, err := kubectl("", "get", "csr", ns, "-o", "jsonpath={.status.certificate}")
		if err == nil && out == "" {
			err = errOther
		}
		return err
	})
	must(t, "delete", "csr", ns)
}

const policiesText = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: {{.}}}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{.}}}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: "object.metadata.name != 'refused'", message: no such name here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: {{.}}}
spec: {policyName: {{.}}, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: {{.}}}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{.}}}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'marked': 'yes'}}}"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: {{.}}}
spec: {policyName: {{.}}}
`

func TestAdmissionPoliciesWork(t *testing.T) {
	ns := namespace(t, "policies")
	apply(t, policiesText, ns)
	t.Cleanup(func() {
		for _, kind := range []string{"validatingadmissionpolicybinding", "validatingadmissionpolicy", "mutatingadmissionpolicybinding", "mutatingadmissionpolicy"} {
			if _, err := kubectl("", "delete", kind, ns); err != nil {
				t.Error(err)
			}
		}
	})
	eventually(t, "validation", func() error {
		_, err := kubectl("", "-n", ns, "create", "configmap", "refused")
		if err != nil && strings.Contains(err.Error(), "no such name here") {
			return nil
		}
		_, _ = kubectl("", "-n", ns, "delete", "configmap", "refused", "--ignore-not-found")
		return errors.Join(errOther, err)
	})
	tries := 0
	eventually(t, "mutation", func() error {
		tries++
		name := fmt.Sprintf("marked-%d", tries)
		if _, err := kubectl("", "-n", ns, "create", "configmap", name); err != nil {
			return err
		}
		out, err := kubectl("", "-n", ns, "get", "configmap", name, "-o", "jsonpath={.metadata.labels.marked}")
		if err == nil && out != "yes" {
			err = errOther
		}
		return err
	})
}

func TestWritesAreAudited(t *testing.T) {
	ns := namespace(t, "audit")
	must(t, "-n", ns, "create", "configmap", "seen", "--as=someone-else", "--as-group=system:masters")
	eventually(t, "audit event", func() error {
		data, err := os.ReadFile(filepath.Join(state(), "logs", "audit.log"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, ns) && strings.Contains(line, "someone-else") && strings.Contains(line, `"verb":"create"`) {
				return nil
			}
		}
		return errOther
	})
}
