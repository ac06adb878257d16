// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package conformance proves what Gradus relies on in the local cluster.
package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

const (
	probeImage = "localhost/probe:cluster"
	limit      = 2 * time.Minute
)

var snapshots = flag.Int("snapshots", 200, "snapshots to take under load")

func state() string {
	if folder := os.Getenv("GRADUS_CLUSTER_STATE"); folder != "" {
		return folder
	}
	return "/var/lib/gradus-cluster"
}

func TestMain(m *testing.M) {
	flag.Parse()
	if _, err := os.Stat(filepath.Join(state(), "kubeconfig", "admin")); err != nil {
		fmt.Printf("conformance: all tests left out, no cluster in %s (go -C hack/cluster run . up)\n", state())
		return
	}
	os.Exit(m.Run())
}

// kubectl runs as the administrator and returns what was printed.
func kubectl(input string, args ...string) (string, error) {
	command := exec.Command(filepath.Join(state(), "bin", "kubectl"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(state(), "kubeconfig", "admin"))
	command.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl("", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// namespace makes a namespace of the restricted level that goes with the test.
func namespace(t *testing.T, name string) string {
	t.Helper()
	name = fmt.Sprintf("conf-%s-%04x", name, time.Now().UnixNano()&0xffff)
	apply(t, `
apiVersion: v1
kind: Namespace
metadata:
  name: {{.}}
  labels: {pod-security.kubernetes.io/enforce: restricted}
`, name)
	t.Cleanup(func() {
		if _, err := kubectl("", "delete", "namespace", name, "--wait=false"); err != nil {
			t.Error(err)
		}
	})
	return name
}

// apply fills a template and creates what it says.
func apply(t *testing.T, text string, values any) {
	t.Helper()
	if err := tryApply(text, values); err != nil {
		t.Fatal(err)
	}
}

func tryApply(text string, values any) error {
	content, err := render(text, values)
	if err != nil {
		return err
	}
	_, err = kubectl(content, "apply", "-f", "-")
	return err
}

func render(text string, values any) (string, error) {
	var content strings.Builder
	if err := template.Must(template.New("").Parse(text)).Execute(&content, values); err != nil {
		return "", fmt.Errorf("fill template: %w", err)
	}
	return content.String(), nil
}

// eventually repeats a check until it passes.
func eventually(t *testing.T, what string, check func() error) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > limit {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

var errOther = errors.New("other value")

// field waits until a JSONPath of an object has a value.
func field(t *testing.T, ns, object, path, want string) time.Duration {
	t.Helper()
	return eventually(t, object+" "+path, func() error {
		got, err := kubectl("", "-n", ns, "get", object, "-o", "jsonpath="+path)
		if err == nil && got != want {
			err = fmt.Errorf("%q instead of %q: %w", got, want, errOther)
		}
		return err
	})
}

// podValues describe a pod of the probe.
type podValues struct {
	Namespace, Name, Image string
	Args                   []string
	Labels                 map[string]string
	Claims                 []string // mounted on /data/0, /data/1 ...
}

func (p podValues) JSON(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}

const podSpec = `
    restartPolicy: Never
    terminationGracePeriodSeconds: 1
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      seccompProfile: {type: RuntimeDefault}
    containers:
    - name: probe
      image: {{.Image}}
      imagePullPolicy: Never
      args: {{.JSON .Args}}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
      {{- range $i, $claim := .Claims}}
      - {name: volume-{{$i}}, mountPath: /data/{{$i}}}
      {{- else}} []
      {{- end}}
    volumes:
    {{- range $i, $claim := .Claims}}
    - name: volume-{{$i}}
      persistentVolumeClaim: {claimName: {{$claim}}}
    {{- else}} []
    {{- end}}
`

const podText = `
apiVersion: v1
kind: Pod
metadata:
  name: {{.Name}}
  namespace: {{.Namespace}}
  labels: {{.JSON .Labels}}
spec:` + podSpec

const jobText = `
apiVersion: batch/v1
kind: Job
metadata:
  name: {{.Name}}
  namespace: {{.Namespace}}
spec:
  backoffLimit: 0
  template:
   metadata:
     labels: {{.JSON .Labels}}
   spec:` + podSpec

func pod(t *testing.T, p podValues) {
	t.Helper()
	p.Image = probeImage
	apply(t, podText, p)
	field(t, p.Namespace, "pod/"+p.Name, `{.status.conditions[?(@.type=="Ready")].status}`, "True")
}

// job runs a probe to its end and returns what it printed.
func job(t *testing.T, p podValues) (string, error) {
	t.Helper()
	p.Image = probeImage
	apply(t, jobText, p)
	var failed string
	eventually(t, "job "+p.Name, func() error {
		out, err := kubectl("", "-n", p.Namespace, "get", "job/"+p.Name, "-o",
			`jsonpath={.status.conditions[?(@.status=="True")].type}`)
		if err == nil && !strings.Contains(out, "Complete") && !strings.Contains(out, "Failed") {
			err = errOther
		}
		failed = out
		return err
	})
	out, err := kubectl("", "-n", p.Namespace, "logs", "job/"+p.Name)
	if err == nil && strings.Contains(failed, "Failed") {
		err = fmt.Errorf("job %s failed: %s", p.Name, out)
	}
	return out, err
}

func mustJob(t *testing.T, p podValues) string {
	t.Helper()
	out, err := job(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
