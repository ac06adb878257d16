// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"sort"
	"strconv"

	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/release"
)

// Status compares the image with the database.
type Status string

// The states that a plugin can be in.
const (
	UpToDate  Status = "uptodate"
	Upgrade   Status = "upgrade"
	New       Status = "new"
	Missing   Status = "missing"
	Delete    Status = "delete"
	Downgrade Status = "downgrade"
)

// Entry is one plugin as the image and the database see it.
type Entry struct {
	Component       string `json:"component"`
	VersionDisk     int64  `json:"versionDisk"`
	VersionDatabase int64  `json:"versionDatabase"`
	Source          Source `json:"source,omitempty"`
	Requires        string `json:"requires,omitempty"`
	Incompatible    string `json:"incompatible,omitempty"`
	Status          Status `json:"status"`
}

// Versions reads what the database knows.
func Versions(ctx context.Context, db *database.DB) (map[string]int64, error) {
	rows, err := db.Query(ctx, "SELECT plugin, value FROM {config_plugins} WHERE name='version'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]int64{}
	for rows.Next() {
		var component, value string
		if err := rows.Scan(&component, &value); err != nil {
			return nil, err
		}
		if found[component], err = strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("version of plugin %s: %w", component, err)
		}
	}
	return found, rows.Err()
}

// Compare puts image and database side by side, sorted by component.
func Compare(code release.Release, disk map[string]Manifest, stored map[string]int64) []Entry {
	names := map[string]bool{}
	for name := range disk {
		names[name] = true
	}
	for name := range stored {
		names[name] = true
	}
	entries := make([]Entry, 0, len(names))
	for name := range names {
		manifest, onDisk := disk[name]
		version, known := stored[name]
		entry := Entry{
			Component: name, VersionDisk: manifest.Version, VersionDatabase: version,
			Source: manifest.Source, Requires: manifest.Requires, Incompatible: manifest.Incompatible,
		}
		entry.Status = status(onDisk, known, manifest.Version, version)
		if entry.Status == Missing && removedFromCore(name, code) {
			entry.Status = Delete
		}
		entries = append(entries, entry)
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Component < entries[j].Component })
	return entries
}

func status(onDisk, known bool, disk, stored int64) Status {
	switch {
	case !onDisk:
		return Missing
	case !known:
		return New
	case disk > stored:
		return Upgrade
	case disk < stored:
		return Downgrade
	default:
		return UpToDate
	}
}

// Unmet lists, one line each, why plugins of the image do not go with it.
func Unmet(code release.Release, disk map[string]Manifest) []string {
	var reasons []string
	const refused = "Dependencies check failed for "
	for name, m := range disk {
		if m.Requires != "" && !code.AtLeast(m.Requires) {
			reasons = append(reasons, refused+name+": it requires at least "+m.Requires)
		}
		if m.Incompatible != "" && code.AtLeast(m.Incompatible) {
			reasons = append(reasons, refused+name+": it refuses "+m.Incompatible+" and newer")
		}
	}
	sort.Strings(reasons)
	return reasons
}

// Hash stands for everything in the image that has a version. The site needs
// an upgrade when the hash differs from the one that the last upgrade left.
func Hash(code release.Release, disk map[string]Manifest) string {
	lines := []string{"core=" + code.String()}
	for name, m := range disk {
		lines = append(lines, fmt.Sprintf("%s=%d", name, m.Version))
	}
	sort.Strings(lines)
	sum := sha1.New()
	for _, line := range lines {
		_, _ = io.WriteString(sum, line+"\n")
	}
	return hex.EncodeToString(sum.Sum(nil))
}
