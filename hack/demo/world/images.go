// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Images of this repository.
const (
	GradusImage  = "localhost/gradus:dev"
	WitnessImage = "localhost/gradus-witness:dev"
)

// siteImages are the archives that the demo and the stories run.
var siteImages = []string{"campus-1.0", "campus-2.0", "campus-2.0-bare", "postgresql-15"}

// Images builds what runs in the cluster and loads it into the local one.
func (w *World) Images(ctx context.Context) error {
	if w.Options.Current {
		return nil // a cluster of others takes its images from where it can
	}
	dist := filepath.Join(w.Root, "dist")
	if err := os.MkdirAll(filepath.Join(dist, "lms"), 0o755); err != nil {
		return fmt.Errorf("make folder for images: %w", err)
	}
	archives := []string{filepath.Join(dist, "gradus.tar"), filepath.Join(dist, "witness.tar")}
	if err := w.image(ctx, ".", GradusImage, "gradus", archives[0]); err != nil {
		return err
	}
	if err := w.image(ctx, "./hack/demo/witness", WitnessImage, "witness", archives[1]); err != nil {
		return err
	}
	if _, err := w.run(ctx, "bash", "test/lms/images.sh", filepath.Join(dist, "lms")); err != nil {
		return err
	}
	for _, name := range siteImages {
		archives = append(archives, filepath.Join(dist, "lms", name+".tar"))
	}
	_, err := w.Cluster(ctx, append([]string{"load"}, archives...)...)
	return err
}

// image builds one static program into an image.
func (w *World) image(ctx context.Context, source, name, program, archive string) error {
	binary := filepath.Join(w.Root, "dist", program)
	if _, err := w.run(ctx, "go", "build", "-trimpath", "-o", binary, source); err != nil {
		return err
	}
	_, err := w.Cluster(ctx, "image", "binary", "--name", name, "--out", archive, "--binary", binary)
	return err
}
