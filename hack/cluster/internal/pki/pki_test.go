// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestCertificateIsSignedAndKept(t *testing.T) {
	dir := t.TempDir()
	authority, err := OpenAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Issue("admin", Subject{User: "admin", Groups: []string{"system:masters"}}); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(dir, "admin.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(first)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	again, err := OpenAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Issue("admin", Subject{User: "admin"}); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(filepath.Join(dir, "admin.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(second) {
		t.Error("a second start makes a new certificate")
	}
}
