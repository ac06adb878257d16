// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// As gives the cluster as a person sees it who has a certificate of their own:
// the key is made here, the cluster signs.
func (w *World) As(ctx context.Context, user, group string) (*World, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of %s: %w", user, err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: user, Organization: []string{group}},
	}, key)
	if err != nil {
		return nil, fmt.Errorf("make certificate request of %s: %w", user, err)
	}
	certificate, err := w.sign(ctx, user, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key of %s: %w", user, err)
	}
	config := rest.AnonymousClientConfig(w.Config)
	config.CertData = certificate
	config.KeyData = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	return w.with(config)
}

// sign lets the administrator approve a request and waits for the certificate.
func (w *World) sign(ctx context.Context, user string, request []byte) ([]byte, error) {
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "gradus-demo-" + user + "-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: request, SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}
	requests := w.Logs.CertificatesV1().CertificateSigningRequests()
	csr, err := requests.Create(ctx, csr, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("create CertificateSigningRequest of %s: %w", user, err)
	}
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Demo", Message: "a user of the demo",
	})
	if _, err := requests.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{}); err != nil {
		return nil, fmt.Errorf("approve CertificateSigningRequest %s: %w", csr.Name, err)
	}
	csr, err = Await(ctx, w, csr, func(c *certificatesv1.CertificateSigningRequest) (string, error) {
		if len(c.Status.Certificate) == 0 {
			return "no certificate is issued", nil
		}
		return "", nil
	})
	return csr.Status.Certificate, err
}
