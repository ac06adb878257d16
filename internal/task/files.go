// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

// TreeKind says how the files of a tree prove themselves.
type TreeKind string

// Kinds of trees.
const (
	// ContentAddressed: the file's name is the hash of its content, so each file proves itself.
	ContentAddressed TreeKind = "ContentAddressed"
	// Manifested: a manifest of path and sha256 is the proof.
	Manifested TreeKind = "Manifested"
)

// Algorithm of a hash.
type Algorithm string

// Algorithms of content-addressed trees.
const (
	SHA1   Algorithm = "sha1"
	SHA256 Algorithm = "sha256"
)

// HashTree reads a tree and proves or describes it. It never writes to it.
type HashTree struct {
	Root string   `json:"root"`
	Kind TreeKind `json:"kind"`
	// Algorithm of a content-addressed tree; default sha1.
	Algorithm Algorithm `json:"algorithm,omitempty"`
	// Skip are paths below Root ("cache", "temp").
	Skip []string `json:"skip,omitempty"`
	// Workers reading at once; 0 means 2.
	Workers int `json:"workers,omitempty"`
	// BytesPerSecond throttles all workers together; 0 is no limit.
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// SampleEvery hashes one file of so many; the others are checked by name and size. 0 and 1 hash all.
	SampleEvery int `json:"sampleEvery,omitempty"`
	// ManifestFile writes the manifest there instead of into a document (big trees).
	ManifestFile string `json:"manifestFile,omitempty"`
	// Expect is the digest that the tree must have.
	Expect string `json:"expect,omitempty"`
	// Referenced lists the names that a content-addressed tree must hold (a blob of the database's truth).
	Referenced *Referenced `json:"referenced,omitempty"`
}

// Referenced asks the database which blobs there must be.
type Referenced struct {
	Database Database `json:"database"`
	// SQL gives the hash and the size of each blob.
	SQL string `json:"sql"`
	// MissingBefore are known to be missing already: reported, not blamed.
	MissingBefore int64 `json:"missingBefore,omitempty"`
}

// CopyTree copies what is not there yet, hashing what it reads and what it
// wrote. It deletes nothing and can be killed and run again.
type CopyTree struct {
	From           string    `json:"from"`
	To             string    `json:"to"`
	Kind           TreeKind  `json:"kind"`
	Algorithm      Algorithm `json:"algorithm,omitempty"`
	Skip           []string  `json:"skip,omitempty"`
	Workers        int       `json:"workers,omitempty"`
	BytesPerSecond int64     `json:"bytesPerSecond,omitempty"`
	// Shard of Shards copies a part, for several pods at once.
	Shard  int `json:"shard,omitempty"`
	Shards int `json:"shards,omitempty"`
	// Update replaces files that changed (Manifested trees only): size or time differ.
	Update bool `json:"update,omitempty"`
}

// LinkTree makes a tree of symbolic links to a base that the copy mounts
// read-only, with directories of its own for new files.
type LinkTree struct {
	// Base is the tree as the agent sees it; Target how the LMS will see it (default the same).
	Base   string   `json:"base"`
	Target string   `json:"target,omitempty"`
	To     string   `json:"to"`
	Skip   []string `json:"skip,omitempty"`
}

// Clear empties directories of a copy: caches and sessions that are not to
// come along. The directories themselves stay.
type Clear struct {
	Root  string   `json:"root"`
	Paths []string `json:"paths"`
}
