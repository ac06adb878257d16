// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package build makes the cluster's programs from their Go modules and keeps
// each under a folder named after everything that went into it.
package build

import "time"

// Component is one `go build` of one module below components/.
type Component struct {
	Name string
	// Dir is the module's folder below components/.
	Dir string
	// Packages to build; "." is a main of our own.
	Packages []string
	Tags     string
	// Version is the module whose version is stamped into Variables.
	Version   string
	Variables []string
	// Usual is the time that a cold build takes on two cores.
	Usual time.Duration
}

const kubernetes = "k8s.io/kubernetes"

var kubernetesVariables = []string{
	"k8s.io/component-base/version.gitVersion=$VERSION",
	"k8s.io/component-base/version.gitMajor=$MAJOR",
	"k8s.io/component-base/version.gitMinor=$MINOR",
	"k8s.io/component-base/version.gitTreeState=clean",
}

// Assets are the components that envtest needs; they come first.
var Assets = []Component{
	{Name: "etcd", Dir: "etcd", Packages: []string{"go.etcd.io/etcd/server/v3"}, Usual: 60 * time.Second},
	{
		Name: "kube-apiserver", Dir: "kubernetes", Packages: []string{kubernetes + "/cmd/kube-apiserver"},
		Version: kubernetes, Variables: kubernetesVariables, Usual: 210 * time.Second,
	},
	{
		Name: "kubectl", Dir: "kubernetes", Packages: []string{kubernetes + "/cmd/kubectl"},
		Version: kubernetes, Variables: kubernetesVariables, Usual: 30 * time.Second,
	},
}

// All is every component of the cluster, in the order of building.
var All = append(Assets[:len(Assets):len(Assets)], []Component{
	{
		Name: "kubernetes", Dir: "kubernetes",
		Packages: []string{
			kubernetes + "/cmd/kube-controller-manager", kubernetes + "/cmd/kube-scheduler",
			kubernetes + "/cmd/kubelet", kubernetes + "/cmd/kube-proxy",
		},
		Version: kubernetes, Variables: kubernetesVariables, Usual: 150 * time.Second,
	},
	{
		Name: "containerd", Dir: "containerd",
		Packages: []string{
			"github.com/containerd/containerd/v2/cmd/containerd",
			"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
		},
		Tags:    "no_btrfs no_zfs no_devmapper no_aufs",
		Version: "github.com/containerd/containerd/v2",
		Variables: []string{
			"github.com/containerd/containerd/v2/version.Version=$VERSION",
		},
		Usual: 140 * time.Second,
	},
	{
		Name: "cni", Dir: "cni",
		Packages: []string{
			"github.com/containernetworking/plugins/plugins/main/bridge",
			"github.com/containernetworking/plugins/plugins/main/loopback",
			"github.com/containernetworking/plugins/plugins/ipam/host-local",
			"github.com/containernetworking/plugins/plugins/meta/portmap",
		},
		Usual: 10 * time.Second,
	},
	{Name: "coredns", Dir: "coredns", Packages: []string{"."}, Usual: 90 * time.Second},
	{Name: "pause", Dir: "pause", Packages: []string{"."}, Usual: time.Second},
	{Name: "probe", Dir: "probe", Packages: []string{"."}, Usual: 5 * time.Second},
	{Name: "csi-driver", Dir: "csidriver", Packages: []string{"."}, Usual: 30 * time.Second},
	{
		Name: "snapshotter", Dir: "snapshotter",
		Packages: []string{
			"github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter",
			"github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller",
		},
		Version: "github.com/kubernetes-csi/external-snapshotter/v8", Variables: []string{"main.version=$VERSION"},
		Usual: 120 * time.Second,
	},
	{
		Name: "csi-provisioner", Dir: "provisioner",
		Packages: []string{"github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner"},
		Version:  "github.com/kubernetes-csi/external-provisioner/v6", Variables: []string{"main.version=$VERSION"},
		Usual: 90 * time.Second,
	},
	{Name: "netpol", Dir: "netpol", Packages: []string{"."}, Usual: 120 * time.Second},
}...)
