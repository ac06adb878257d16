// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"strings"
	"testing"
	"time"
)

func TestPodAndJob(t *testing.T) {
	ns := namespace(t, "pod")
	start := time.Now()
	pod(t, podValues{Namespace: ns, Name: "first", Args: []string{"sleep"}})
	t.Logf("pod ready after %s", time.Since(start).Round(10*time.Millisecond))
	start = time.Now()
	mustJob(t, podValues{Namespace: ns, Name: "first", Args: []string{"lookup", "localhost"}})
	t.Logf("job complete after %s", time.Since(start).Round(10*time.Millisecond))
}

func TestDNSAndService(t *testing.T) {
	ns := namespace(t, "service")
	pod(t, podValues{Namespace: ns, Name: "server", Args: []string{"serve", ":8080"}, Labels: map[string]string{"app": "server"}})
	apply(t, `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: {{.}}}
spec:
  selector: {app: server}
  ports: [{port: 80, targetPort: 8080}]
`, ns)
	address := must(t, "-n", ns, "get", "service/web", "-o", "jsonpath={.spec.clusterIP}")
	for i, name := range []string{"web", "web." + ns + ".svc.cluster.local"} {
		got := mustJob(t, podValues{Namespace: ns, Name: "lookup-" + string(rune('a'+i)), Args: []string{"lookup", name}})
		if strings.TrimSpace(got) != address {
			t.Errorf("%s resolves to %q, want %s", name, got, address)
		}
	}
	if got := mustJob(t, podValues{Namespace: ns, Name: "get", Args: []string{"get", "http://web/"}}); strings.TrimSpace(got) != "server" {
		t.Errorf("service answered %q, want the pod's name", got)
	}
	if out, err := job(t, podValues{Namespace: ns, Name: "outside", Args: []string{"lookup", "example.invalid"}}); err == nil {
		t.Errorf("a name outside the cluster resolves to %q", out)
	}
	if out, err := job(t, podValues{Namespace: ns, Name: "away", Args: []string{"dial", "192.0.2.1:80"}}); err == nil {
		t.Errorf("a pod reached an address outside: %q", out)
	}
}

func TestNetworkPolicyRefuses(t *testing.T) {
	ns := namespace(t, "policy")
	pod(t, podValues{Namespace: ns, Name: "server", Args: []string{"serve", ":8080"}, Labels: map[string]string{"app": "server"}})
	address := must(t, "-n", ns, "get", "pod/server", "-o", "jsonpath={.status.podIP}") + ":8080"
	dial := []string{"dial", address}
	mustJob(t, podValues{Namespace: ns, Name: "before", Args: dial})
	apply(t, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: {{.}}}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {may: enter}}}]
`, ns)
	// A pod that is refused learns so from a watch of its own.
	pod(t, podValues{Namespace: ns, Name: "watcher", Args: []string{"watch", address}})
	eventually(t, "refusal", func() error {
		out, err := kubectl("", "-n", ns, "logs", "watcher")
		if err == nil && !strings.HasSuffix(strings.TrimSpace(out), "refused") {
			err = errOther
		}
		return err
	})
	t.Logf("watcher in a closed namespace: %s", strings.ReplaceAll(must(t, "-n", ns, "logs", "watcher"), "\n", "; "))
	if out, err := job(t, podValues{Namespace: ns, Name: "refused", Args: dial}); err == nil {
		// The rules of a pod follow its start by a fraction of a second.
		t.Logf("a fresh pod's first packet still passed: %q", out)
	}
	mustJob(t, podValues{Namespace: ns, Name: "allowed", Args: []string{"reach", address}, Labels: map[string]string{"may": "enter"}})
}

func TestRestrictedLevelIsEnforced(t *testing.T) {
	ns := namespace(t, "pss")
	err := tryApply(`
apiVersion: v1
kind: Pod
metadata: {name: root, namespace: {{.}}}
spec:
  containers: [{name: c, image: localhost/probe:cluster, securityContext: {privileged: true}}]
`, ns)
	if err == nil || !strings.Contains(err.Error(), "PodSecurity") {
		t.Errorf("privileged pod in a restricted namespace: %v", err)
	}
}
