// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package pki makes the cluster's certificate authorities, certificates and
// kubeconfigs. What is there already is kept.
package pki

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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Ten years: the clusters are thrown away long before.
const validity = 10 * 365 * 24 * time.Hour

// ErrNotPEM means that a file of the state folder is damaged: run down and up.
var ErrNotPEM = errors.New("file holds no PEM block")

// Authority signs certificates.
type Authority struct {
	dir, name string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
}

// Subject is whom a certificate is for.
type Subject struct {
	User   string
	Groups []string
	Names  []string
	IPs    []net.IP
}

// OpenAuthority reads dir/name.crt and .key or makes them.
func OpenAuthority(dir, name string) (*Authority, error) {
	a := &Authority{dir: dir, name: name}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder of certificates: %w", err)
	}
	if !exists(a.path(name, "crt")) {
		if err := a.make(); err != nil {
			return nil, err
		}
	}
	der, err := readPEM(a.path(name, "crt"))
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("parse certificate %s: %w", name, err)
	}
	if der, err = readPEM(a.path(name, "key")); err != nil {
		return nil, err
	}
	if a.key, err = x509.ParseECPrivateKey(der); err != nil {
		return nil, fmt.Errorf("parse key %s: %w", name, err)
	}
	return a, nil
}

func (a *Authority) make() error {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: a.name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
	}
	key, err := writeKey(a.path(a.name, "key"))
	if err != nil {
		return err
	}
	return sign(a.path(a.name, "crt"), template, template, key, key)
}

// Issue makes dir/name.crt and .key for a subject.
func (a *Authority) Issue(name string, subject Subject) error {
	if exists(a.path(name, "crt")) {
		return nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: subject.User, Organization: subject.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:    subject.Names, IPAddresses: subject.IPs,
	}
	key, err := writeKey(a.path(name, "key"))
	if err != nil {
		return err
	}
	return sign(a.path(name, "crt"), template, a.cert, key, a.key)
}

// Kubeconfig writes a kubeconfig that needs no other file.
func (a *Authority) Kubeconfig(path, server, name string, subject Subject) error {
	if err := a.Issue(name, subject); err != nil {
		return err
	}
	var encoded [3]string
	for i, file := range []string{a.path(a.name, "crt"), a.path(name, "crt"), a.path(name, "key")} {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
		encoded[i] = base64.StdEncoding.EncodeToString(data)
	}
	content := fmt.Sprintf(kubeconfigFormat, server, encoded[0], encoded[1], encoded[2])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create folder of kubeconfigs: %w", err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

const kubeconfigFormat = `apiVersion: v1
kind: Config
current-context: gradus
contexts:
- name: gradus
  context: {cluster: gradus, user: gradus}
clusters:
- name: gradus
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: gradus
  user:
    client-certificate-data: %s
    client-key-data: %s
`

// KeyPair writes dir/name.key and .pub, which service account tokens need.
func KeyPair(dir, name string) error {
	if exists(filepath.Join(dir, name+".pub")) {
		return nil
	}
	key, err := writeKey(filepath.Join(dir, name+".key"))
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode public key: %w", err)
	}
	return writePEM(filepath.Join(dir, name+".pub"), "PUBLIC KEY", der)
}

func (a *Authority) path(name, kind string) string { return filepath.Join(a.dir, name+"."+kind) }

func sign(path string, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("draw serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(validity)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("sign certificate %s: %w", path, err)
	}
	return writePEM(path, "CERTIFICATE", der)
}

func writeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return key, writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read %s: %w", path, ErrNotPEM)
	}
	return block.Bytes, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
