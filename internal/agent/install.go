// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gradus-lms/gradus/internal/task"
)

// install copies the binary that is running.
func install(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("install", flag.ContinueOnError)
	to := f.String("to", task.Binary, "where the binary is put")
	if code, done := parse(f, "Copies this binary, for a container whose image is not ours.", args, stdout, stderr); done {
		return code
	}
	if err := copySelf(*to); err != nil {
		fmt.Fprintf(stderr, "gradus agent install: %v\n", err)
		return 1
	}
	return 0
}

func copySelf(to string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	in, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("open own binary: %w", err)
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".gradus-*")
	if err != nil {
		return fmt.Errorf("create %s: %w", to, err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	// Any uid may run it: the other container has a user of its own.
	if err := out.Chmod(0o755); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if err := os.Rename(out.Name(), to); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	return nil
}
