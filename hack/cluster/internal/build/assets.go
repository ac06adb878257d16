// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// BuildAssets builds what envtest needs and returns one folder that holds it
// all, fit for KUBEBUILDER_ASSETS.
func (b Builder) BuildAssets() (string, error) {
	programs := map[string]string{}
	var all []string
	for _, component := range Assets {
		folder, err := b.Build(component)
		if err != nil {
			return "", err
		}
		programs[component.Name] = filepath.Join(folder, component.Name)
		all = append(all, folder)
	}
	sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
	assets := filepath.Join(b.Cache, "assets-"+hex.EncodeToString(sum[:])[:12])
	if err := os.MkdirAll(assets, 0o755); err != nil {
		return "", fmt.Errorf("create folder of assets: %w", err)
	}
	for name, target := range programs {
		// A link, not a copy: the three take 200 MB.
		if err := os.Symlink(target, filepath.Join(assets, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("link program %s: %w", name, err)
		}
	}
	return assets, nil
}
