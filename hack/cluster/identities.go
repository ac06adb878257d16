// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"

	"github.com/gradus-lms/gradus/hack/cluster/internal/pki"
)

// identities are the users of the kubeconfigs: one for each program, with no
// more rights than the program needs (manifests/rbac.yaml, or Kubernetes' own).
var identities = map[string]pki.Subject{
	"admin":                   {User: "admin", Groups: []string{"system:masters"}},
	"kube-controller-manager": {User: "system:kube-controller-manager"},
	"kube-scheduler":          {User: "system:kube-scheduler"},
	"kubelet":                 {User: "system:node:" + nodeName, Groups: []string{"system:nodes"}},
	"kube-proxy":              {User: "system:kube-proxy"},
	"netpol":                  {User: "cluster:netpol"},
	"csi-provisioner":         {User: "cluster:csi-provisioner"},
	"csi-snapshotter":         {User: "cluster:csi-snapshotter"},
	"snapshot-controller":     {User: "cluster:snapshot-controller"},
}

// makeIdentities writes every certificate and kubeconfig that is missing.
func makeIdentities(l Layout) error {
	authority, err := pki.OpenAuthority(l.Path("pki"), "ca")
	if err != nil {
		return err
	}
	server := pki.Subject{
		User: "kube-apiserver",
		Names: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		},
		IPs: []net.IP{net.ParseIP(l.NodeIP), net.ParseIP(serviceAPI), net.ParseIP("127.0.0.1")},
	}
	if err := authority.Issue("apiserver", server); err != nil {
		return err
	}
	client := pki.Subject{User: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}}
	if err := authority.Issue("apiserver-kubelet", client); err != nil {
		return err
	}
	front, err := pki.OpenAuthority(l.Path("pki"), "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := front.Issue("front-proxy", pki.Subject{User: "front-proxy-client"}); err != nil {
		return err
	}
	if err := pki.KeyPair(l.Path("pki"), "sa"); err != nil {
		return err
	}
	for name, subject := range identities {
		if err := authority.Kubeconfig(l.Kubeconfig(name), l.Server(), name, subject); err != nil {
			return err
		}
	}
	return nil
}
