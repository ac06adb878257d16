// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Maintenance is a file in the data root: it works when the database does not.
type Maintenance struct{ Root string }

func (m Maintenance) path() string { return filepath.Join(m.Root, "climaintenance.html") }

// Enabled says whether users are shut out.
func (m Maintenance) Enabled() bool {
	_, err := os.Stat(m.path())
	return err == nil
}

// Enable shuts users out.
func (m Maintenance) Enable() error {
	return os.WriteFile(m.path(), []byte("This site is under maintenance.\n"), 0o644)
}

// Disable lets users in.
func (m Maintenance) Disable() error {
	if err := os.Remove(m.path()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
