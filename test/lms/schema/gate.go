// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"context"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/plugin"
	"github.com/gradus-lms/gradus/test/lms/release"
)

// RefusedError says why an upgrade does not start; one line per reason.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string { return e.Reasons[0] }

// OlderCodeReason is the line that forbids a downgrade.
func OlderCodeReason(code release.Release, state State) string {
	return fmt.Sprintf("Error: The code you are using (%s) is older than the version recorded in the database (%s).",
		code.Name, state.Release)
}

// Gates lists why the database cannot be upgraded by this image. The first
// gate that refuses hides the others, as people fix them one by one.
func Gates(
	ctx context.Context, db *database.DB, state State, code release.Release, disk map[string]plugin.Manifest,
) ([]string, error) {
	if !state.Installed {
		return nil, ErrNotInstalled
	}
	if state.OlderCode(code) {
		return []string{OlderCodeReason(code, state)}, nil
	}
	if release.Less(state.Release, code.Requires) {
		return []string{fmt.Sprintf("Error: Campus %s requires at least %s, the database is at %s.",
			code.Name, code.Requires, state.Release)}, nil
	}
	major, err := db.ServerMajor(ctx)
	if err != nil {
		return nil, err
	}
	if major < code.Postgres {
		return []string{fmt.Sprintf("Error: Campus %s requires at least PostgreSQL %d, the server is %d.",
			code.Name, code.Postgres, major)}, nil
	}
	unmet := plugin.Unmet(code, disk)
	if len(unmet) > 0 {
		unmet = append(unmet, "You must solve all the plugin requirements before you upgrade.")
	}
	return unmet, nil
}
