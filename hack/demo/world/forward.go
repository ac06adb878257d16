// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Forward opens a way to a port of a Service, past the network of its pods, as
// people get into a copy: with kubectl, as the administrator, until the context
// ends. It gives the address on this machine.
func (w *World) Forward(ctx context.Context, namespace, service string, port int32) (string, error) {
	program, args := w.kubectl([]string{
		"port-forward", "--namespace", namespace, "service/" + service, fmt.Sprintf(":%d", port),
	})
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("forward to Service %s: %w", service, err)
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("forward to Service %s: %w", service, err)
	}
	said := bufio.NewReader(stdout)
	line, err := said.ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		return "", fmt.Errorf("forward to Service %s: %w: %s", service, err, tail(stderr.String()))
	}
	go func() {
		_, _ = io.Copy(io.Discard, said)
		_ = cmd.Wait()
	}()
	// Forwarding from 127.0.0.1:40000 -> 8080
	address, _, _ := strings.Cut(strings.TrimPrefix(line, "Forwarding from "), " ")
	return address, nil
}
