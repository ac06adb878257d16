// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import "time"

// Recover starts the server of the image on a data directory (a clone of a
// snapshot), without network, lets it recover, runs the actions and stops it.
// In the actions Database needs no host, user or credentials: they are filled in.
type Recover struct {
	DataDir string   `json:"dataDir"`
	Actions []Action `json:"actions,omitempty"`
	// User is a role that may log in over the private socket; default postgres.
	User string `json:"user,omitempty"`
	// BinDir has the server's programs; found by itself when empty.
	BinDir string `json:"binDir,omitempty"`
}

// Dump writes a complete logical copy with a manifest beside it. A name whose
// manifest is there is done: dumps are write-once.
type Dump struct {
	Database Database `json:"database"`
	// Dir is a directory on the backup volume; Name the file without ending.
	Dir  string `json:"dir"`
	Name string `json:"name"`
	// Queries are counted in the snapshot that is dumped.
	Queries map[string]string `json:"queries,omitempty"`
	// ExcludeTableData leaves rows out, by pattern of pg_dump (sessions, caches).
	ExcludeTableData []string `json:"excludeTableData,omitempty"`
	// MinFreeFactor of the database's size must be free; 0 means 0.5 (dumps are compressed).
	MinFreeFactor float64 `json:"minFreeFactor,omitempty"`
	// Compression of pg_dump, 0 to 9; nil leaves its default.
	Compression *int   `json:"compression,omitempty"`
	BinDir      string `json:"binDir,omitempty"`
}

// Manifest describes a complete dump. It is written last, so that a dump
// without one never happened.
type Manifest struct {
	Format        string            `json:"format"` // "gradus-dump/1"
	File          string            `json:"file"`
	Size          int64             `json:"size"`
	SHA256        string            `json:"sha256"`
	Engine        Engine            `json:"engine"`
	ServerVersion string            `json:"serverVersion"`
	Database      string            `json:"database"`
	DatabaseSize  int64             `json:"databaseSize"`
	Encoding      string            `json:"encoding,omitempty"`
	Collate       string            `json:"collate,omitempty"`
	CType         string            `json:"ctype,omitempty"`
	Settings      []string          `json:"settings,omitempty"` // ALTER DATABASE … SET, as name=value
	TakenAt       time.Time         `json:"takenAt"`
	Instant       string            `json:"instant"` // the exported snapshot
	Counts        map[string]string `json:"counts,omitempty"`
	Tables        map[string]int64  `json:"tables,omitempty"`
	WithoutData   []string          `json:"withoutData,omitempty"`
}

// ManifestFormat is the only format of manifests so far.
const ManifestFormat = "gradus-dump/1"

// VerifyDump restores a dump into a scratch server of the image and compares.
type VerifyDump struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
	// ScratchDir takes the scratch server; it must have room for the whole database.
	ScratchDir string            `json:"scratchDir"`
	Queries    map[string]string `json:"queries,omitempty"`
	Jobs       int               `json:"jobs,omitempty"`
	BinDir     string            `json:"binDir,omitempty"`
}

// Restore puts a dump into a fresh database beside the live one, never into
// one that is there (unless an earlier, broken run of ours made it).
type Restore struct {
	// Database is the server; its Name is the database to connect to first ("postgres" by custom).
	Database Database `json:"database"`
	Into     string   `json:"into"`
	// Owner of the new database and all in it; default the role that connects.
	Owner string `json:"owner,omitempty"`
	// Privileges restores the grants in the dump too (a server that has the same roles).
	Privileges bool `json:"privileges,omitempty"`
	// Readers are roles that may read all of the new database.
	Readers []string          `json:"readers,omitempty"`
	Dir     string            `json:"dir"`
	Name    string            `json:"name"`
	Queries map[string]string `json:"queries,omitempty"`
	Jobs    int               `json:"jobs,omitempty"`
	BinDir  string            `json:"binDir,omitempty"`
}

// Rename switches a database for its replacement in one transaction:
// Live becomes Replaced, Replacement becomes Live.
type Rename struct {
	// Database is the server; its Name must be neither of the two.
	Database    Database `json:"database"`
	Live        string   `json:"live"`
	Replacement string   `json:"replacement"`
	Replaced    string   `json:"replaced"`
}

// RotatePassword gives a role of a copy a new password. The server sees a
// SCRAM verifier only, so that its log cannot have the password.
type RotatePassword struct {
	Database Database `json:"database"`
	Role     string   `json:"role"`
	// PasswordFile has the new password.
	PasswordFile string `json:"passwordFile"`
}
