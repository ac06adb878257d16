// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "os"

// Names of the drivers: the second one makes no snapshots.
const (
	driverSnapshots = "dev-csi.lms.gradus.dev"
	driverPlain     = "dev-csi-plain.lms.gradus.dev"
)

// program is one process that the supervisor keeps running.
type program struct {
	Name string
	// Program is the file to run, if its name is another.
	Program string
	// Debian says that it is one of Debian's, not of this build.
	Debian bool
	Args   []string
	// After names programs that must be ready first.
	After []string
	// Ready says whether the program does its work; nil: as soon as it runs.
	Ready func() error
}

// clusterPrograms is the whole cluster, in the order of `status`.
func clusterPrograms(l Layout, pool string) []program {
	return append(append(controlPlane(l), node(l)...), storage(l, pool)...)
}

func controlPlane(l Layout) []program {
	pki := func(name string) string { return l.Path("pki", name) }
	return []program{
		{
			Name: "etcd",
			Args: []string{
				"--name=etcd", "--data-dir=" + l.Path("etcd"), "--unsafe-no-fsync",
				"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
				"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
				"--initial-cluster=etcd=http://127.0.0.1:2380", "--auto-compaction-retention=1h",
				"--heartbeat-interval=200", "--election-timeout=1000", "--log-level=warn", "--snapshot-count=5000",
			},
			Ready: answers("http://127.0.0.1:2379/readyz"),
		},
		{
			Name: "kube-apiserver", After: []string{"etcd"},
			Args: []string{
				"--etcd-servers=http://127.0.0.1:2379", "--secure-port=6443", "--advertise-address=" + l.NodeIP,
				"--service-cluster-ip-range=" + serviceCIDR, "--allow-privileged", "--authorization-mode=Node,RBAC",
				"--enable-admission-plugins=NodeRestriction", "--client-ca-file=" + pki("ca.crt"),
				"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
				"--kubelet-client-certificate=" + pki("apiserver-kubelet.crt"),
				"--kubelet-client-key=" + pki("apiserver-kubelet.key"),
				"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
				"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
				"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
				"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
				"--requestheader-extra-headers-prefix=X-Remote-Extra-",
				"--proxy-client-cert-file=" + pki("front-proxy.crt"), "--proxy-client-key-file=" + pki("front-proxy.key"),
				"--audit-policy-file=" + l.Path("config", "audit.yaml"), "--audit-log-path=" + auditLog(l),
				"--kubelet-preferred-address-types=InternalIP", "--audit-log-maxsize=100", "--audit-log-maxbackup=3",
				"--profiling=false",
			},
			Ready: answers("https://127.0.0.1:6443/readyz"),
		},
		{
			Name: "kube-controller-manager", After: []string{"kube-apiserver"},
			Args: []string{
				"--kubeconfig=" + l.Kubeconfig("kube-controller-manager"),
				"--authentication-kubeconfig=" + l.Kubeconfig("kube-controller-manager"),
				"--authorization-kubeconfig=" + l.Kubeconfig("kube-controller-manager"),
				"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials",
				"--service-account-private-key-file=" + pki("sa.key"), "--root-ca-file=" + pki("ca.crt"),
				"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
				"--kube-api-qps=100", "--kube-api-burst=200", "--profiling=false",
			},
			Ready: answers("https://127.0.0.1:10257/healthz"),
		},
		{
			Name: "kube-scheduler", After: []string{"kube-apiserver"},
			Args: []string{
				"--kubeconfig=" + l.Kubeconfig("kube-scheduler"),
				"--authentication-kubeconfig=" + l.Kubeconfig("kube-scheduler"),
				"--authorization-kubeconfig=" + l.Kubeconfig("kube-scheduler"),
				"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
			},
			Ready: answers("https://127.0.0.1:10259/healthz"),
		},
	}
}

func node(l Layout) []program {
	return []program{
		{
			Name: "containerd", Args: []string{"--config", l.Path("config", "containerd.toml"), "--log-level", "warn"},
			Ready: func() error { return containerdClient(l, "version") },
		},
		{
			Name: "kubelet", After: []string{"kube-apiserver", "containerd"},
			Args: []string{
				"--config=" + l.Path("config", "kubelet.yaml"), "--kubeconfig=" + l.Kubeconfig("kubelet"),
				"--root-dir=" + l.Path("kubelet"), "--cert-dir=" + l.Path("kubelet", "pki"),
				"--node-ip=" + l.NodeIP, "--hostname-override=" + nodeName,
				// The kubelet's own statistics of cgroups cost most of its idle time.
				"--housekeeping-interval=30s",
			},
			Ready: answers("http://127.0.0.1:10248/healthz"),
		},
		{
			Name: "kube-proxy", After: []string{"kubelet"},
			Args:  []string{"--config=" + l.Path("config", "kube-proxy.yaml")},
			Ready: answers("http://127.0.0.1:10256/healthz"),
		},
		{
			Name: "netpol", After: []string{"kubelet"},
			Args: []string{
				"--kubeconfig=" + l.Kubeconfig("netpol"), "--node=" + nodeName, "--service-cidr=" + serviceCIDR,
				"--healthz=127.0.0.1:10260",
			},
			Ready: answers("http://127.0.0.1:10260/healthz"),
		},
		{
			// The kernel tells of a connection when its first packet has passed
			// every rule: what netpol refuses is never in this record.
			Name: "connections", Program: "conntrack", Debian: true,
			Args: []string{
				"--event", "--event-mask", "NEW", "--orig-src", podCIDR, "--output", "timestamp", "--buffer-size", "4194304",
			},
		},
	}
}

// storage runs one driver process with two names, a provisioner for each name
// and a snapshotter for the one that makes snapshots.
func storage(l Layout, pool string) []program {
	snapshots, plain := l.Path("run", "csi.sock"), l.Path("run", "csi-plain.sock")
	patience := []string{
		"--retry-interval-start=500ms", "--retry-interval-max=10s", "--kube-api-qps=50", "--kube-api-burst=100",
	}
	driver := []string{
		"-node", nodeName, "-pool", l.Path("pool"), "-engine", pool,
		"-registrations", l.Path("kubelet", "plugins_registry"),
		"-freezer", freezerRoot(l),
		"-driver", driverSnapshots + "=" + snapshots, "-driver", driverPlain + "=" + plain + ",nosnapshots",
	}
	provisioner := func(name, socket string) program {
		return program{
			Name: name, Program: "csi-provisioner", After: []string{"csi-driver", "kube-apiserver"},
			Args: append([]string{
				"--kubeconfig=" + l.Kubeconfig("csi-provisioner"), "--csi-address=" + socket,
				"--timeout=60s", "--snapshot-orphan-sweep-interval=10s", "--extra-create-metadata",
			}, patience...),
		}
	}
	return []program{
		{Name: "csi-driver", Args: driver, Ready: exists(snapshots)},
		provisioner("csi-provisioner", snapshots),
		provisioner("csi-provisioner-plain", plain),
		{
			Name: "csi-snapshotter", After: []string{"csi-driver", "kube-apiserver"},
			Args: append([]string{
				"--kubeconfig=" + l.Kubeconfig("csi-snapshotter"), "--csi-address=" + snapshots,
				"--timeout=60s", "--extra-create-metadata",
			}, patience...),
		},
		{
			Name: "snapshot-controller", After: []string{"kube-apiserver"},
			Args: append([]string{
				"--kubeconfig=" + l.Kubeconfig("snapshot-controller"),
				// It waits 30 s for the group snapshots' CRDs otherwise.
				"--feature-gates=CSIVolumeGroupSnapshot=false",
			}, patience...),
		},
	}
}

func auditLog(l Layout) string { return l.Path("logs", "audit.log") }

func exists(path string) func() error {
	return func() error {
		_, err := os.Stat(path)
		return err
	}
}
