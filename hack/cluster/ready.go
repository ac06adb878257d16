// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// insecure is for questions to 127.0.0.1 of the cluster's own namespace.
var insecure = &http.Client{
	Timeout:   2 * time.Second,
	Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
}

// diesWithUs keeps an `up` that was killed from leaving clients behind, which
// are in none of the cluster's cgroups.
var diesWithUs = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

// answers asks a health endpoint.
func answers(url string) func() error {
	return func() error {
		response, err := insecure.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("get %s: %s", url, response.Status)
		}
		return nil
	}
}

// containerdClient runs ctr against the cluster's containerd.
func containerdClient(l Layout, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	all := append([]string{"--address", l.Path("run", "containerd.sock"), "--namespace", "k8s.io"}, args...)
	command := exec.CommandContext(ctx, l.Program("ctr"), all...)
	command.SysProcAttr = diesWithUs
	var complaints strings.Builder
	command.Stderr = &complaints
	if err := command.Run(); err != nil {
		return fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaints.String()))
	}
	return nil
}

// kubectl runs kubectl as the administrator.
func kubectl(l Layout, input string, args ...string) (string, error) {
	command := exec.Command(l.Program("kubectl"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+l.Kubeconfig("admin"))
	command.Stdin = strings.NewReader(input)
	command.SysProcAttr = diesWithUs
	out, err := command.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
