// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Secret is the key of the site in its data root: all pods share it, and a
// restored site without it would throw everybody out.
type Secret []byte

// LoadSecret reads the key, or makes it when there is none yet.
func LoadSecret(dataRoot string) (Secret, error) {
	path := filepath.Join(dataRoot, "secret", "key")
	text, err := os.ReadFile(path)
	if err == nil {
		return text, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return nil, fmt.Errorf("make secret: %w", err)
	}
	own := fmt.Sprintf("%s.%s", path, rand.Text())
	if err := os.WriteFile(own, []byte(rand.Text()), 0o600); err != nil {
		return nil, fmt.Errorf("make secret: %w", err)
	}
	defer func() { _ = os.Remove(own) }()
	// A link fails when another pod was first; its key is then the key.
	if err := os.Link(own, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make secret: %w", err)
	}
	return os.ReadFile(path)
}

// LoginToken must be posted back with the cookie that it was made for.
func (s Secret) LoginToken(cookie string) string {
	mac := hmac.New(sha256.New, s)
	_, _ = mac.Write([]byte(cookie))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}
