// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/release"
)

// Names of the rows in the table config that say where the schema stands.
const (
	rowRelease   = "release"
	rowVersion   = "version"
	rowHash      = "allversionshash"
	rowLock      = "upgraderunning"
	rowSavepoint = "savepoint"
)

// ErrNotInstalled means that the database holds no Campus: run install.
var ErrNotInstalled = errors.New("campus is not installed in this database")

// State is where the database stands, read from the settings.
type State struct {
	Installed   bool
	Release     string
	Version     int64
	Hash        string
	Savepoint   int
	LockedUntil int64
}

// StateOf reads the state out of settings, which may come from the cache.
func StateOf(settings map[string]string) State {
	state := State{Release: settings[rowRelease], Hash: settings[rowHash]}
	state.Version, _ = strconv.ParseInt(settings[rowVersion], 10, 64)
	state.LockedUntil, _ = strconv.ParseInt(settings[rowLock], 10, 64)
	state.Savepoint, _ = strconv.Atoi(settings[rowSavepoint])
	state.Installed = state.Version > 0
	return state
}

// Read reads the state past every cache.
func Read(ctx context.Context, db *database.DB) (State, error) {
	installed, err := db.HasTable(ctx, "config")
	if err != nil || !installed {
		return State{}, err
	}
	rows, err := db.Query(ctx, "SELECT name, value FROM {config} WHERE name IN ($1,$2,$3,$4,$5)",
		rowRelease, rowVersion, rowHash, rowLock, rowSavepoint)
	if err != nil {
		return State{}, err
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return State{}, err
		}
		found[name] = value
	}
	return StateOf(found), rows.Err()
}

// Locked says whether an upgrade runs, or was killed not long ago.
func (s State) Locked(now time.Time) bool { return s.LockedUntil > now.Unix() }

// Pending says whether image and database differ. The version row says nothing:
// it shows the target from the first moment of an upgrade.
func (s State) Pending(code release.Release, disk map[string]plugin.Manifest) bool {
	return s.Hash != plugin.Hash(code, disk)
}

// OlderCode says whether the database was upgraded by newer code.
func (s State) OlderCode(code release.Release) bool { return s.Version > code.Version }
