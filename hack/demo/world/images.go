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

// Images builds what runs in the cluster and loads it into the local one. A
// cluster of others takes its images from where it can.
func (w *World) Images(ctx context.Context) error {
	if w.Options.Current {
		return nil
	}
	archive := filepath.Join(w.Root, "dist", "gradus.tar")
	if err := w.image(ctx, ".", GradusImage, "gradus", archive); err != nil {
		return err
	}
	return w.SiteImages(ctx, archive)
}

// SiteImages builds and loads the images of the test site and of the witness,
// with more archives if there are any.
func (w *World) SiteImages(ctx context.Context, archives ...string) error {
	if w.Options.Current {
		return nil
	}
	dist := filepath.Join(w.Root, "dist")
	witness := filepath.Join(dist, "witness.tar")
	if err := w.image(ctx, "./hack/demo/witness", WitnessImage, "witness", witness); err != nil {
		return err
	}
	if _, err := w.run(ctx, "bash", "test/lms/images.sh", filepath.Join(dist, "lms")); err != nil {
		return err
	}
	archives = append(archives, witness)
	for _, name := range siteImages {
		archives = append(archives, filepath.Join(dist, "lms", name+".tar"))
	}
	_, err := w.Cluster(ctx, append([]string{"load"}, archives...)...)
	return err
}

// image builds one static program into an image.
func (w *World) image(ctx context.Context, source, name, program, archive string) error {
	if err := os.MkdirAll(filepath.Join(w.Root, "dist"), 0o755); err != nil {
		return fmt.Errorf("make folder for images: %w", err)
	}
	binary := filepath.Join(w.Root, "dist", program)
	if _, err := w.run(ctx, "go", "build", "-trimpath", "-o", binary, source); err != nil {
		return err
	}
	_, err := w.Cluster(ctx, "image", "binary", "--name", name, "--out", archive, "--binary", binary)
	return err
}
