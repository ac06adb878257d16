// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package world is what the demo and the end-to-end tests stand on: a cluster,
// the test site in it, Gradus, and people with certificates of their own.
package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Site is the name of the test site, and of its namespace in the demo.
const Site = "campus"

// SystemNamespace is where Gradus is installed.
const SystemNamespace = "gradus-system"

// Options say which cluster is meant.
type Options struct {
	// Kubeconfig of the administrator. Empty: that of the local cluster.
	Kubeconfig string
	// State folder of the local cluster. Empty: the default one.
	State string
	// Current uses the kubeconfig at hand; nothing is started or loaded.
	Current bool
	// Out gets what the tools say.
	Out io.Writer
}

// World is one cluster, as one user sees it.
type World struct {
	client.WithWatch
	Logs   kubernetes.Interface
	Config *rest.Config
	// Root of the repository.
	Root    string
	Options Options
}

// Open connects to a cluster that runs.
func Open(ctx context.Context, o Options) (*World, error) {
	w, err := Repository(o)
	if err != nil {
		return nil, err
	}
	if o.Kubeconfig == "" && !o.Current {
		path, err := w.Cluster(ctx, "kubeconfig")
		if err != nil {
			return nil, err
		}
		w.Options.Kubeconfig = strings.TrimSpace(path)
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = w.Options.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return w.with(config)
}

// Repository gives a world without a cluster: enough to start one.
func Repository(o Options) (*World, error) {
	root, err := repository()
	return &World{Root: root, Options: o}, err
}

// with gives the same cluster as another user sees it.
func (w *World) with(config *rest.Config) (*World, error) {
	log.SetLogger(logr.Discard())
	config.QPS, config.Burst = 50, 100
	config.WarningHandler = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return patient{next} })
	scheme, err := kinds()
	if err != nil {
		return nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	logs, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client for logs: %w", err)
	}
	return &World{WithWatch: c, Logs: logs, Config: config, Root: w.Root, Options: w.Options}, nil
}

// kinds are those that are read or made here.
func kinds() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("register kinds: %w", err)
		}
	}
	return scheme, nil
}

// repository finds the root of the repository above the working folder.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find working folder: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "PROJECT")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("find repository: no folder above this one has a file PROJECT")
}

// Cluster runs a command of hack/cluster and gives what it prints on stdout.
func (w *World) Cluster(ctx context.Context, args ...string) (string, error) {
	all := []string{"-C", filepath.Join(w.Root, "hack", "cluster"), "run", ".", args[0]}
	if w.Options.State != "" {
		all = append(all, "--state", w.Options.State)
	}
	return w.run(ctx, "go", append(all, args[1:]...)...)
}

// Kubectl runs kubectl as the administrator.
func (w *World) Kubectl(ctx context.Context, args ...string) (string, error) {
	program, args := w.kubectl(args)
	return w.run(ctx, program, args...)
}

// kubectl gives the program, the cluster's own if there is one, and all its arguments.
func (w *World) kubectl(args []string) (string, []string) {
	program := "kubectl"
	if !w.Options.Current && w.Options.Kubeconfig != "" {
		program = filepath.Join(filepath.Dir(filepath.Dir(w.Options.Kubeconfig)), "bin", "kubectl")
		if _, err := os.Stat(program); err != nil {
			program = "kubectl"
		}
	}
	if w.Options.Kubeconfig != "" {
		args = append([]string{"--kubeconfig", w.Options.Kubeconfig}, args...)
	}
	return program, args
}

// run runs a program in the root of the repository.
func (w *World) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = w.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if out := w.Options.Out; out != nil {
		cmd.Stderr = io.MultiWriter(&stderr, out)
	}
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("run %s %s: %w: %s", program, strings.Join(args, " "), err, tail(stderr.String()))
	}
	return stdout.String(), nil
}

// tail gives the last lines of what a program said.
func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
